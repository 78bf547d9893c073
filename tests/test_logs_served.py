"""The log as a host gets it: a site under gunicorn and under `demijohn run`, each line of their output read."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.readonly import Sealed
from tests.services import HOST, PATIENCE, free_port, until
from tests.sites import ROOT, answers, clean_environment

CONFIG = """
name: trial
version: 1
demijohn:
  secret: planted-key-that-signs-cookies
  database.url: ""
  memcached: {url: "127.0.0.1:1", username: ann, password: planted-memcached-password}
  session.type: cookie
  log: {slow_request: off, slow_query: off}
  app: {payment: {api_key: planted-payment-key}, title: Shop}
"""
DOOR = """
import logging, os, sys, warnings
from demijohn import Site
application = site = Site(os.path.dirname(os.path.abspath(__file__)))
log = logging.getLogger("shop")

@site.get("/lines/<number>")
def lines(number):
    for part in range(5):
        log.info("number %s part %d %s", number, part, "x" * 200)
    return number

@site.get("/planted")
def planted():
    settings = site.settings
    log.warning("%r %s", settings["app"], [str.__str__(settings["memcached.password"]), "postgresql://u:planted-url@h/db"])
    warnings.warn("planted-key-that-signs-cookies is old")
    print("by hand", file=sys.stderr)
    raise ValueError(settings["secret"][0].encode())
"""
PLANTED = ("planted-key", "planted-memcached", "planted-payment", "planted-url", "planted-token", "planted-session")


class Served:
    def __init__(self, folder: Path, command: list[str], environ: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self.folder = folder
        files = open(folder / "out", "wb"), open(folder / "err", "wb")  # noqa: SIM115
        environment = clean_environment(**environ, PORT=str(port), PYTHONPATH=str(ROOT / "src"))
        self.process = Sealed(command, cwd=folder, env=environment, stdout=files[0], stderr=files[1])
        for file in files:
            file.close()

    def get(self, path: str, **headers: str) -> Any:
        headers["Cookie"] = "session=planted-session-of-ann"
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310
        try:
            answer = urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            answer.read()
        return answer

    def stop(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return (self.folder / "out").read_text(), (self.folder / "err").read_text()


@contextlib.contextmanager
def served(folder: Path, command: list[str], **environ: str) -> Iterator[Served]:
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "index.wsgi").write_text(DOOR)
    for name in ("main.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, folder)
    served = Served(folder, command, environ)
    try:
        until(lambda: answers(served.url), "The site does not answer.")
        yield served
    finally:
        served.process.kill()
        served.process.wait()


GUNICORN = [sys.executable, "-m", "gunicorn", "main:app", "--workers=2", "--threads=4"]


def visit(server: Served) -> dict[str, str]:
    """Ids by address: many at once, then what has secrets in it."""
    ids: dict[str, str] = {}

    def ask(first: int) -> None:
        for number in range(first, first + 8):
            ids[f"/lines/{number}"] = server.get(f"/lines/{number}?token=planted-token").headers["X-Request-ID"]

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, 48, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = server.get("/planted?token=planted-token", Authorization="Bearer planted-token-of-ann")
    assert answer.status == 500
    ids["/planted"] = answer.headers["X-Request-ID"]
    ids["/static/none"] = server.get("/static/none").headers["X-Request-ID"]
    return ids


def test_json_under_gunicorn(tmp_path: Path) -> None:
    with served(tmp_path, GUNICORN, DEMIJOHN_HOST="docker") as server:
        ids = visit(server)
        out, err = server.stop()
    events = [json.loads(line) for line in out.splitlines()]
    assert out.endswith("\n")
    assert not [word for word in PLANTED if word in out + err]
    parts = [event for event in events if event["message"].startswith("number ")]
    assert len(parts) == 48 * 5
    for event in parts:
        assert event["request_id"] == ids[f"/lines/{event['message'].split()[1]}"]
    requests = {event["request_id"]: event for event in events if event["logger"] == "demijohn.requests"}
    assert len({*ids.values()}) == len(ids)
    for path, id in ids.items():
        assert requests[id]["path"].partition("?")[0] == path
    assert requests[ids["/planted"]]["path"] == "/planted?token=(hidden)"
    of_error = [event for event in events if event.get("request_id") == ids["/planted"] and "exception" in event]
    assert [event["exception"].splitlines()[-1] for event in of_error] == ["ValueError: b'(hidden)'"]
    assert {"gunicorn.error", "py.warnings", "shop"} <= {event["logger"] for event in events}
    assert err == "by hand\n"


def test_short_lines_on_heroku_and_none_twice(tmp_path: Path) -> None:
    arguments = {"DYNO": "web.1", "GUNICORN_CMD_ARGS": "--access-logfile -"}  # as its buildpack has it
    with served(tmp_path, GUNICORN, **arguments) as server:
        server.get("/lines/1?token=planted-token", **{"X-Request-ID": "f9ed4675f1c53513c61a3b3b4e25b4c0"})
        server.get("/planted")
        out, err = server.stop()
    assert not [word for word in PLANTED if word in out + err]
    lines = out.splitlines()
    assert all(line.startswith("level=") and len(line.encode()) < 10_000 for line in lines)
    (request,) = [line for line in lines if "path=" in line and "/lines/1" in line]
    assert re.fullmatch(
        r'level=info request_id=f9ed4675f1c53513c61a3b3b4e25b4c0 method=GET path="/lines/1\?token=\(hidden\)" '
        r'route="GET /lines/<number>" status=200 ms=[0-9.]+ bytes=1 client=127.0.0.1',
        request,
    )
    parts = [line for line in lines if "number 1 part" in line]
    assert len(parts) == 5
    assert all(line.startswith("level=info logger=shop msg=") for line in parts)
    assert all("request_id=f9ed4675f1c53513c61a3b3b4e25b4c0" in line for line in parts)
    assert err == "by hand\n"


@pytest.mark.parametrize("colour", [True, False])
def test_text_in_development(colour: bool, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demijohn", "run", "--no-reload"]
    with served(tmp_path, command, **({"FORCE_COLOR": "1"} if colour else {"NO_COLOR": "1"})) as server:
        timing = server.get("/lines/1").headers["Server-Timing"]
        server.get("/planted?token=planted-token")
        out, err = server.stop()
    assert timing.startswith("total;dur=")
    assert not [word for word in PLANTED if word in out + err]
    assert ("\x1b[32m200\x1b[0m" in err) is colour
    plain = re.sub(r"\x1b\[[0-9;]*m", "", err)
    assert len(re.findall(r"(?m)^\d\d:\d\d:\d\d GET /lines/1 200 \d+ ms$", plain)) == 1
    assert len(re.findall(r"(?m)^\d\d:\d\d:\d\d GET /planted\?token=\(hidden\) 500 \d+ ms$", plain)) == 1
    assert "\n    ValueError: b'(hidden)'\n" in plain
    assert len(re.findall(r"(?m)^\d\d:\d\d:\d\d info shop: number 1 part", plain)) == 5


def test_commands_log_nothing_and_a_library_configures_nothing(tmp_path: Path) -> None:
    program = (
        "import logging, bottle, demijohn; from demijohn.logs.plugin import Logs; bottle.Bottle().install(Logs());"
        "print(logging.getLogger().handlers, logging.getLogger('demijohn').handlers)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "index.wsgi").write_text(DOOR + "log.info('loaded')\nlogging.getLogger('demijohn').error('loaded')\n")
    command = [sys.executable, "-m", "demijohn", "sessions", "count", "--root", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert "loaded" not in done.stdout + done.stderr
