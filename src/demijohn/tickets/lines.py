"""Tickets out of lines of a log: JSON, or the `name=value` pairs of the short dialect, with whatever a host has put
before them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from demijohn.tickets.spill import is_record
from demijohn.tickets.waiting import SAMPLES

_PAIR = re.compile(r'(?:^|\s)([A-Za-z][\w./-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
_NUMBERS = frozenset(("count", "at", "process"))
_MOST = 2**62
_SAMPLE = ("release", "host", "process", "request", "request_id")


def read(lines: Iterable[str]) -> list[dict[str, Any]]:
    """A record for each series that the lines tell of. Other lines are left out."""
    series: dict[str, dict[str, Any]] = {}
    for line in lines:
        event = parse(line)
        record = None if event is None else _record(event)
        if record is None:
            continue
        there = series.setdefault(record["series"], record)
        if there is record:
            continue
        there["count"] = max(there["count"], record["count"])
        there["first"] = min(there["first"], record["first"])
        there["last"] = max(there["last"], record["last"])
        there["samples"] = sorted([*there["samples"], *record["samples"]], key=lambda one: one["time"])[-SAMPLES:]
    return list(series.values())


def parse(line: str) -> dict[str, Any] | None:
    """The fields of a line that tells of a ticket; None: of another."""
    if "ticket" not in line:
        return None
    start = line.find("{")
    if start >= 0:
        try:
            event, _ = json.JSONDecoder().raw_decode(line, start)
        except (ValueError, RecursionError):
            pass
        else:
            if isinstance(event, dict):
                inner = event.get("jsonPayload")  # as Google's tools print what it has kept
                event = inner if isinstance(inner, dict) else event
                if "ticket" in event:
                    return event
                if "message" in event:  # which may quote a visitor, who would make tickets
                    return None
    event = {name: _value(name, text) for name, text in _PAIR.findall(line)}
    return event if "ticket" in event else None


def _record(event: dict[str, Any]) -> dict[str, Any] | None:
    time: Any = event.get("at")
    count: Any = event.get("count")
    for number in (time, count):  # the database takes no others
        if not isinstance(number, (int, float)) or isinstance(number, bool) or not 0 < number < _MOST:
            return None
    record = {
        "series": event.get("series"),
        "id": event["ticket"],
        "error": event.get("error"),
        "place": str(event.get("place", "")),
        "message": str(event.get("text", "")),
        "count": count,
        "first": int(time),
        "last": int(time),
        "samples": [],
    }
    names = f"{record['id']} {record['series']}"
    if not is_record(record) or not re.fullmatch(r"[0-9a-z-]{4,16} [0-9a-z]{1,16}", names):
        return None
    trace = event.get("exception")
    if isinstance(trace, str) and trace:
        facts = {name: event[name] for name in _SAMPLE if name in event}
        if isinstance(facts.get("request"), str):  # of a long line
            facts["request"] = _tree(facts["request"])
        record["samples"] = [{"time": int(time), "traceback": trace, **facts}]
    return record


def _value(name: str, text: str) -> Any:
    if text.startswith('"'):
        return _ESCAPE.sub(_unescape, text[1:-1])
    if name not in _NUMBERS:  # a series may be all digits
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unescape(match: re.Match[str]) -> str:
    letter = match[1]
    if len(letter) > 1:
        return chr(int(letter[1:], 16))
    return _LETTERS.get(letter, letter)


def _tree(text: str) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}
