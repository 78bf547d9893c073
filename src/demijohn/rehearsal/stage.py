"""Where a site is played: a copy of it, an environment as on the host, and a process that is watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import demijohn
from demijohn import hosts
from demijohn.config import OPTIONS
from demijohn.hosts import Host
from demijohn.rehearsal.errors import RehearsalError
from demijohn.rehearsal.watch import owner
from demijohn.rehearsal.words import mistakes, stand_in

#: Folders that no host is given.
LEFT_OUT = frozenset(
    (
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox", ".eggs"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache"),
    )
)
#: Bytes. What is larger is no code; the copy has a link to it.
LARGE = 32 * 1024**2
#: How many visits may hang, and how many may end the process. After these the rest is left.
PATIENCE = {"hung": 3, "ended": 10}
#: How many variables that are not set here get a stand-in.
VARIABLES = 30


class Term(NamedTuple):
    """How long a rehearsal may go on."""

    #: By `time.monotonic()`.
    end: float
    #: Set where nobody waits for it any longer.
    stop: threading.Event

    def is_over(self) -> bool:
        return self.stop.is_set() or time.monotonic() >= self.end


class Cast(NamedTuple):
    """What decides how a site is played. Hosts that are alike in this share a process."""

    sealed: bool
    temp: bool
    threads: bool
    processes: bool
    #: A file, or `MODULE:NAME`.
    door: str
    #: Whether the working directory is the site's folder.
    at_home: bool
    #: Variables of the host's that the site's own code names.
    own: tuple[tuple[str, str], ...]


class Played(NamedTuple):
    """What was seen: the events in their order, as `play.py` tells them, and `hung`, `ended` and `late`."""

    events: list[dict[str, Any]]
    #: What the process has written to its outputs.
    log: str


def cast(root: Path, host: Host, words: frozenset[str]) -> Cast:
    """:param words: all words in the site's own code."""
    match = re.search(r"(?:^|\s)([A-Za-z_][\w.]*:[A-Za-z_]\w*)(?:\s|$)", host.start)
    door = match[1] if match else host.door
    if not match and not (root / door).is_file():
        door = "index.wsgi"  # which a file that is yet to be generated loads as well
    own = tuple((name, value) for name, value in sorted(host.environ.items()) if name in words)
    sealed = host.disk == "none"
    return Cast(sealed, host.temp or not sealed, host.threads, host.processes, door, host.at_home, own)


def vocabulary(root: Path) -> frozenset[str]:
    """All words in the site's own Python files that could be names of variables."""
    found: set[str] = set()
    for folder, folders, files in os.walk(root):
        folders[:] = [
            name for name in folders if name not in LEFT_OUT and name not in ("site-packages", "tests", "src")
        ]
        for name in files:
            if name.endswith((".py", ".wsgi")):
                text = Path(folder, name).read_text(encoding="utf-8", errors="replace")
                found.update(re.findall(r"\b[A-Z][A-Z0-9_]{2,}\b", text))
    return frozenset(found)


def play(root: Path, host: Host, part: Cast, patience: float, deadline: float, stop: threading.Event) -> Played:
    """Play the site as `host` would, until all has been visited or `deadline` seconds are over."""
    term = Term(time.monotonic() + deadline, stop)
    given: dict[str, str] = {}
    strict = _begun(root, host, part, patience, term, given)
    broken = _broken(strict)
    if broken is None or "host" not in broken["refused"]:
        return strict
    # It ended over what the host forbids, which has been told. What would come after that?
    more = _begun(root, host, part, patience, term, given, lenient=True)
    return Played([event for event in strict.events if event is not broken] + more.events, more.log)


def _broken(played: Played) -> dict[str, Any] | None:
    """The event that tells why the site has not started."""
    return next((event for event in played.events if event["event"] == "broken"), None)


def _begun(
    root: Path, host: Host, part: Cast, patience: float, term: Term, given: dict[str, str], lenient: bool = False
) -> Played:
    """Play it, and again with stand-ins for the variables without which it does not start. They join `given`."""
    while True:
        played = _act(root, host, part, patience, term, given, lenient)
        broken = _broken(played)
        if broken is None:
            return played
        name = broken.get("variable")
        if not name or name in given or len(given) == VARIABLES:
            broken["stand_ins"] = sorted(given)
            return played
        given[name] = stand_in(name)


def _act(
    root: Path, host: Host, part: Cast, patience: float, term: Term, given: Mapping[str, str], lenient: bool
) -> Played:
    with tempfile.TemporaryDirectory(prefix="demijohn-", ignore_cleanup_errors=True) as folder:
        scratch = Path(os.path.realpath(folder))
        for name in ("tmp", "elsewhere"):
            (scratch / name).mkdir()
        stage = scratch / root.name if root.name not in ("tmp", "elsewhere", "") else scratch / "site"
        copy(root, stage)
        orders = _orders(scratch, stage, host, part, patience, lenient)
        environ = {**given, **environment(host, os.environ, scratch)}
        cwd = stage if part.at_home else scratch / "elsewhere"
        events: list[dict[str, Any]] = []
        with open(scratch / "log", "w+b") as log:
            while True:
                orders["done"] = [event["visit"] for event in events if event["event"] == "visit"]
                # HEAD would only do the same again.
                orders["done"] += ["HEAD " + visit[4:] for visit in orders["done"] if visit.startswith("GET ")]
                new = list(_watch(orders, environ, cwd, log, term))
                if orders["done"]:  # it is started again to visit the rest; how it starts is known
                    new = [event for event in new if event["event"] not in ("started", "settings")]
                events += new
                last = new[-1]["event"] if new else ""
                if last not in PATIENCE or not new[-1]["visit"]:
                    break
                if sum(event["event"] == last for event in events) == PATIENCE[last]:
                    what = "hung" if last == "hung" else "ended the process"
                    events.append({"event": "late", "why": f"{PATIENCE[last]} routes {what}"})
                    break
            log.seek(0)
            return Played(events, log.read().decode(errors="replace"))


def _orders(scratch: Path, stage: Path, host: Host, part: Cast, patience: float, lenient: bool) -> dict[str, Any]:
    framework = os.path.dirname(os.path.realpath(demijohn.__file__))
    rules = {
        "root": str(stage),
        "scratch": str(scratch),
        "database": str(scratch / "rehearsal.sqlite"),
        "foreign": [framework, str(stage / "src" / "demijohn")],
        "sealed": part.sealed,
        "temp": part.temp,
        "threads": part.threads,
        "processes": part.processes,
        "lenient": lenient,
    }
    headers = {host.proxies.client: "203.0.113.9", host.proxies.scheme: "https"} if host.proxies.hops else {}
    return {
        "rules": rules,
        "door": part.door,
        "stack": str(scratch / "stack"),
        "patience": patience,
        "boot": 3 * patience,
        "environ": {
            "wsgi.multithread": part.threads,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items() if name},
        },
    }


def environment(host: Host, outside: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The variables that the site finds: those of this process, without settings of sites and without other hosts'
    marks, and those of the host."""
    settings = {name for option in OPTIONS.values() for name in option.variables}
    marks = {name for other in hosts.MARKS.values() for name in other}
    kept = {
        name: value
        for name, value in outside.items()
        if name not in settings and name not in marks and not name.startswith(("DEMIJOHN_", "GUNICORN_", "PYTHON"))
    }
    if "PYTHONPATH" in outside:
        kept["PYTHONPATH"] = outside["PYTHONPATH"]
    return {
        **kept,
        "SECRET_KEY": secrets.token_urlsafe(32),
        "TMPDIR": str(scratch / "tmp"),
        **host.environ,
        "DEMIJOHN_HOST": host.name,
        "DEMIJOHN_REHEARSAL": "1",
        "DATABASE_URL": f"sqlite:///{scratch / 'rehearsal.sqlite'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _watch(
    orders: dict[str, Any], environ: dict[str, str], cwd: Path, log: Any, term: Term
) -> Iterator[dict[str, Any]]:
    """Start the process and hand on what it tells; then how it ended, if that was not as it should."""
    reader, writer = os.pipe()
    Path(orders["stack"]).write_text("")
    words = json.dumps({**orders, "report": writer, "began": time.monotonic()})
    process = subprocess.Popen(
        [sys.executable, "-m", "demijohn.rehearsal.play", words],
        cwd=cwd,
        env=environ,
        pass_fds=[writer],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    os.close(writer)
    last: dict[str, Any] = {"visit": "", "file": "", "line": 0}
    try:
        for event in _lines(reader, process, term):
            last = event if event["event"] == "visit" else last
            yield event
            if event["event"] in ("end", "broken", "tables"):
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and what it has started
        process.wait()
        _end_those_that_left(orders["rules"]["scratch"])
    if term.is_over():
        yield {"event": "late", "why": "time ran out"}
        return
    stack = Path(orders["stack"]).read_text(errors="replace")
    how = {"event": "hung"} if stack else {"event": "ended", "status": process.returncode}
    yield {**last, **how, **_stuck(stack, orders["rules"])}


def _lines(reader: int, process: subprocess.Popen[bytes], term: Term) -> Iterator[dict[str, Any]]:
    """What comes through the pipe, until it is closed. A process that the site has left behind may hold it open."""
    rest = b""
    while not term.is_over():
        if select.select([reader], [], [], 0.2)[0]:
            piece = os.read(reader, 65536)
            *lines, rest = (rest + piece).split(b"\n")
            yield from map(json.loads, lines)
            if not piece:
                return
        elif process.poll() is not None:
            return


def _end_those_that_left(scratch: str) -> None:
    """End what the site has started and what has left its group, as daemons do. Each of them carries the name of the
    rehearsal's folder, in its arguments or its variables; where there is no /proc, nobody finds them."""
    mark = os.fsencode(scratch)
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) != os.getpid() and any(
                mark in (folder / name).read_bytes() for name in ("cmdline", "environ")
            ):
                os.kill(int(folder.name), signal.SIGKILL)


def _stuck(stack: str, rules: dict[str, Any]) -> dict[str, Any]:
    """The site's own line at which a process hung, from what faulthandler has written of its threads."""
    threads = re.split(r"^(?=(?:Current thread|Thread) )", stack, flags=re.MULTILINE)
    threads.sort(key=lambda text: "visits.py" not in text and "doors.py" not in text)
    for file, line in mistakes("\n".join(threads)):
        whose = owner(file, rules["root"], rules["foreign"])
        if whose.startswith("own:"):
            return {"file": whose[4:], "line": line}
    return {}


def copy(source: Path, target: Path) -> None:
    """A copy of the site's folder without what no host is given. Links within it stay links."""
    target.mkdir()
    for entry in os.scandir(source):
        to = target / entry.name
        try:
            if entry.is_symlink():
                inside = os.path.realpath(entry.path).startswith(os.path.realpath(source) + os.sep)
                to.symlink_to(os.readlink(entry.path) if inside else os.path.realpath(entry.path))
            elif entry.is_dir():
                if entry.name not in LEFT_OUT and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                    copy(Path(entry.path), to)
            elif entry.is_file():
                if entry.stat().st_size > LARGE:
                    to.symlink_to(entry.path)
                else:
                    shutil.copy2(entry.path, to)
        except OSError as error:
            raise RehearsalError(f"The site cannot be copied to {target}, to be rehearsed there: {error}.") from None
