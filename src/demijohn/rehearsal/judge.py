"""From what was seen to what is wrong on a host, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from demijohn.findings import Finding
from demijohn.hosts import Host
from demijohn.rehearsal.codes import CODES
from demijohn.rehearsal.stage import Played

_MEGABYTE = 1024**2
_IN_SQLITE = "SQLite, with which a rehearsal works, cannot do it"


def judge(host: Host, played: Played, patience: float) -> list[Finding]:
    """The findings, each once, in the order of files and lines; what has no place comes first."""
    first: dict[tuple[object, ...], Finding] = {}
    for finding in _findings(host, played, patience):
        # A line is told once, though GET and HEAD have come by it.
        first.setdefault((finding.code, finding.path, finding.line, "" if finding.path else finding.message), finding)
    found = list(first.values())
    written = {(finding.path, finding.line) for finding in found if finding.code in ("R403", "R404")}
    kept = [one for one in found if one.code != "R409" or (one.path, one.line) not in written]
    return sorted(kept, key=lambda finding: (finding.path, finding.line, finding.code))


def _findings(host: Host, played: Played, patience: float) -> Iterator[Finding]:
    workers = 1
    relative = {event["visit"] for event in played.events if event["event"] == "read"}
    for event in played.events:
        kind = event["event"]
        if kind == "settings":
            workers = event["workers"]
        elif kind == "write":
            yield from _written(host, event)
        elif kind in _SIMPLE:
            yield from _SIMPLE[kind](host, event)
        elif kind == "answer":
            # Where the working directory is another, what was read there was missing; that is told by itself.
            yield from _answered(host, event, consequence=not host.at_home and event["visit"] in relative)
        elif kind in ("hung", "ended"):
            yield from _stopped(host, event, played, patience)
        elif kind == "memory":
            yield from _memory(host, event["bytes"], workers)
        elif kind == "broken":
            yield from _broken(host, event, consequence=not host.at_home and "" in relative)
        elif kind == "started" and host.limits.boot is not None and event["seconds"] > host.limits.boot:
            message = f"The site took {event['seconds']:.0f} s to start here; {host.title} waits {host.limits.boot:g} s"
            yield _finding("R402", event, message)


def _written(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    did = f"{event['words']} {event['target']}".strip()
    if event["zone"] == "temp":
        if host.disk == "none" and not host.temp:
            yield _finding("R403", event, f"{did}: {host.title} has no folder for temporary files")
    elif host.disk == "none":
        yield _finding("R403", event, f"{did}: nothing can be written on {host.title}")
    elif host.disk == "forgets":
        yield _finding("R404", event, f"{did}: {host.title} forgets it at the next restart")
    if event["relative"]:
        yield from _read(host, event)


def _read(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    message = f"{event['words']} {event['target']}, taken from the working directory"
    if not host.at_home:
        yield _finding("R409", event, f"{message}: on {host.title} that is another folder", "error")
    else:
        yield _finding("R409", event, f"{message}: that is another folder under other servers", "warning")


def _listened(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    yield _finding("R405", event, f"listens on {event['target']}: {host.title} sends the visitors elsewhere")


def _thread(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    if not host.threads:
        yield _finding("R406", event, f"starts a thread: there are none on {host.title}")


def _process(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    if not host.processes:
        yield _finding("R407", event, f"starts the process {event['target']}: {host.title} lets a site start none")


def _asked(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    if event["visit"] == "":
        yield _finding(
            "R408", event, f"asks {event['target']} while the site is loaded: without it the site does not start"
        )


def _tables(host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    if event["sqlite"]:
        yield _finding(
            "R415", event, f"Not all was rehearsed: {_IN_SQLITE}, and no tables are made: {event['message']}"
        )
    else:
        yield _finding("R414", event, f"The tables cannot be made in an empty database: {event['message']}")


def _unknown(_host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    return iter(())  # `Played` tells who wants to know; it is no fault of the site's


def _late(_host: Host, event: dict[str, Any]) -> Iterator[Finding]:
    yield _finding("R415", event, f"Not all was rehearsed: {event['why']}")


_SIMPLE = {
    "read": _read,
    "listen": _listened,
    "thread": _thread,
    "process": _process,
    "ask": _asked,
    "tables": _tables,
    "unknown": _unknown,
    "late": _late,
}


def _answered(host: Host, event: dict[str, Any], consequence: bool) -> Iterator[Finding]:
    visit, status = event["visit"], event["status"]
    # What the rehearsal or the host has refused is told by itself; that the route then fails follows from it.
    if event["sqlite"] and not event["refused"]:
        yield _finding("R415", event, f"{visit} was not rehearsed: {_IN_SQLITE}: {event['message']}")
    elif (status >= 500 or status == 0) and not event["refused"] and not consequence:
        what = f"answers {status}" if status else "raises an exception"
        yield _finding("R410", event, f"{visit} {what}: {event.get('message') or 'the site says no more'}")
    for limit, took, until in (
        (host.limits.first_byte, event["first"], "its first byte"),
        (host.limits.request, event["whole"], "its end"),
    ):
        if limit is not None and took > limit:
            message = f"{visit} took {took:.0f} s to {until} here; {host.title} waits {limit:g} s"
            yield _finding("R411", event, message, "error")
            return


def _broken(host: Host, event: dict[str, Any], consequence: bool) -> Iterator[Finding]:
    if event["stand_ins"]:
        names = ", ".join(event["stand_ins"])
        why = f"the site does not start with stand-ins for {names}, not set here: {event['message']}"
        yield _finding("R415", event, f"Not all was rehearsed: {why}")
    elif "rehearsal" in event["refused"]:
        why = f"the site does not start without what a rehearsal does not touch: {event['message']}"
        yield _finding("R415", event, f"Not all was rehearsed: {why}")
    elif not consequence and "host" not in event["refused"]:
        yield _finding("R401", event, f"The site does not start: {event['message']}")


def _stopped(host: Host, event: dict[str, Any], played: Played, patience: float) -> Iterator[Finding]:
    visit = event["visit"]
    if event["event"] == "ended":
        if visit:
            yield _finding("R412", event, f"{visit} ended the process {_how(event['status'])}")
        else:
            said = played.log.strip().splitlines()[-1:] or ["it said nothing"]
            yield _finding("R401", event, f"The site ended the process {_how(event['status'])}: {said[0][:200]}")
    elif not visit:
        waits = "" if host.limits.boot is None else f"; {host.title} waits {host.limits.boot:g} s"
        yield _finding("R402", event, f"The site had not started after {3 * patience:g} s{waits}")
    else:
        limit = min(filter(None, (host.limits.first_byte, host.limits.request)), default=None)
        waits = "" if limit is None else f"; {host.title} waits {limit:g} s"
        level = "error" if limit is not None and limit <= patience else "warning"
        yield _finding("R411", event, f"{visit} had not answered after {patience:g} s{waits}", level)


def _how(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"


def _memory(host: Host, size: int, workers: int) -> Iterator[Finding]:
    limit, each = host.limits.memory, size / _MEGABYTE
    if limit is not None and workers * each > limit:
        processes = f"{workers} processes of {each:.0f} MB" if workers > 1 else f"A process of {each:.0f} MB"
        yield _finding("R413", {}, f"{processes} need more than the {limit} MB of {host.title}")


def _finding(code: str, event: dict[str, Any], message: str, level: str = "") -> Finding:
    entry = CODES[code]
    return Finding(code, event.get("file", ""), event.get("line", 0), message, entry.fix, level or entry.level)
