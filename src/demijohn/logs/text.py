"""Lines for a person who watches: the time, the message, in colours where they can be seen."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from typing import Any

from demijohn.logs.formats import REQUESTS, Json, printable

_COLOURS = {"CRITICAL": "1;31", "ERROR": "31", "WARNING": "33", "INFO": "36", "DEBUG": "2"}
_STATUSES = {2: "32", 3: "36", 4: "33", 5: "1;31"}


class Text(Json):
    """`12:00:00 GET /notes 200 12 ms, 3 queries 4 ms`, `12:00:00 warning demijohn.database: ...`. A traceback follows
    in lines of its own, each of them indented, so that none can pass for another event."""

    limit = 64_000
    for_people = True

    def __init__(self, *arguments: Any, colour: bool = False) -> None:
        super().__init__(*arguments)
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        event = self.event(record)
        clock = self._paint("2", time.strftime("%H:%M:%S", time.localtime(record.created)))
        exception = event.pop("exception", "")
        told = self._request(event) if record.name == REQUESTS and "status" in event else self._event(event)
        lines = [f"{clock} {told}", *(f"    {printable(line)}" for line in exception.splitlines())]
        return "\n".join(lines)

    def _event(self, event: dict[str, Any]) -> str:
        level = self._paint(_COLOURS[event["level"]], event["level"].lower())
        rest = {name: value for name, value in event.items() if name not in ("time", "level", "logger", "message")}
        return f"{level} {printable(event['logger'])}: {printable(event['message'])}" + self._facts(rest)

    def _request(self, event: dict[str, Any]) -> str:
        status, ms = event["status"], event.get("ms")
        said = f"{event.get('method')} {event.get('path')} " + self._paint(
            _STATUSES.get(status // 100, "0"), str(status)
        )
        if ms is not None:
            said += f" {ms:.0f} ms"
        if event.get("queries"):
            said += f", {event['queries']} quer{'y' if event['queries'] == 1 else 'ies'} {event['query_ms']:.0f} ms"
        slow = event["level"] == "WARNING"
        rest: dict[str, Any] = {name: event[name] for name in ("route", "request_id") if slow and name in event}
        return said + (self._paint("33", " slow") if slow else "") + self._facts(rest)

    def _facts(self, facts: dict[str, Any]) -> str:
        if not facts:
            return ""
        # Trees are for machines to read.
        shown = [f"{printable(name)}={_shown(value)}" for name, value in facts.items() if not isinstance(value, dict)]
        return "  " + self._paint("2", " ".join(shown))

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value))


def wants_colour(stream: Any, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` shows colours: a terminal does, but for a dumb one. NO_COLOR (https://no-color.org), then
    FORCE_COLOR (https://force-color.org), if not empty, say so instead."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    try:
        return environ.get("TERM") != "dumb" and bool(stream.isatty())
    except (AttributeError, ValueError):  # there is no stream, or it is closed
        return False
