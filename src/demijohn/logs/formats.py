"""How a line is worded: JSON for those who collect lines, Google's names for Google, few words for Heroku, and text for
a person who watches.

A format turns a `logging.LogRecord` into one line without its end, whatever is in the record. A record may carry
`facts`, a dict: they are the line's further fields. `request_id` is that of the request, if the record names no other.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from demijohn.logs import context
from demijohn.secrecy import HIDDEN, is_secret
from demijohn.secrecy.hiding import Secrets

#: The logger of the lines that tell of a request.
REQUESTS = "demijohn.requests"
#: Bytes of a line. Docker and Kubernetes cut at 16 KiB.
LIMIT = 16_000
#: Heroku cuts at 10,000 bytes (https://devcenter.heroku.com/articles/limits), its own words included.
HEROKUS_LIMIT = 9_500
#: Characters that are left of any text, and the fields that are left of any line.
_SHORTENED = 200
_ALWAYS = frozenset(("time", "level", "severity", "logger", "message", "request_id", "exception"))
_LEVELS = {50: "CRITICAL", 40: "ERROR", 30: "WARNING", 20: "INFO"}


class Json:
    """`{"time": "2026-01-31T12:00:00.123Z", "level": "WARNING", "logger": ..., "message": ..., ...}`, in ASCII: no
    stream, no terminal and no character of Unicode can make two lines of it."""

    limit = LIMIT
    #: Whether a person reads along, and no program.
    for_people = False

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return fit(self.event(record), json.dumps, self.limit)

    def event(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields of the line, each fit to be seen."""
        environ = context.environ()
        id = request_id(record, environ)
        if record.name == REQUESTS:
            # Made without secrets. To hide there what the visitor has sent would let him hide, by a cookie of that
            # value, what he has asked for and from where.
            environ = None
        event: dict[str, Any] = {
            "time": moment(record.created),
            "level": level(record),
            "logger": record.name,
            "message": self._hide(message(record), environ),
        }
        if id:
            event["request_id"] = id
        for name, value in facts(record).items():
            event[name if name not in event else f"fact_{name}"] = self._field(name, value, environ)
        trace = traceback(record)
        if trace:
            event["exception"] = self._hide(trace, environ)
        return event

    def _hide(self, text: str, environ: Mapping[str, Any] | None) -> str:
        return self.secrets.hide(text, environ, most=4 * self.limit)

    def _field(self, name: str, value: Any, environ: Mapping[str, Any] | None, depth: int = 0) -> Any:
        if is_secret(name) and not isinstance(value, (type(None), bool, int, float)):
            return HIDDEN
        return self._shown(value, environ, depth)

    def _shown(self, value: Any, environ: Mapping[str, Any] | None, depth: int = 0) -> Any:
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if value - value == 0 else str(value)  # JSON has no NaN and no infinity
        if isinstance(value, Mapping) and depth < 4:
            items = list(value.items())[:200]
            return {
                self._hide(str(name), environ): self._field(str(name), item, environ, depth + 1) for name, item in items
            }
        if isinstance(value, (list, tuple, set, frozenset)) and depth < 4:
            return [self._shown(item, environ, depth + 1) for item in list(value)[:200]]
        return self._hide(value if isinstance(value, str) else safe_str(value), environ)


class Google(Json):
    """As Cloud Logging reads it: `severity`, the trace, `httpRequest`
    (https://docs.cloud.google.com/logging/docs/structured-logging). Error Reporting finds the traceback in `exception`.
    """

    def __init__(self, secrets: Secrets) -> None:
        super().__init__(secrets)
        self._project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")

    def event(self, record: logging.LogRecord) -> dict[str, Any]:
        event = super().event(record)
        event = {"severity": event.pop("level"), **event}
        trace, span, sampled = google_trace(context.environ() or {})
        if trace:
            # Cloud Run does not say which project it is: then the trace stands alone, and is found by a search.
            event["logging.googleapis.com/trace"] = (
                f"projects/{self._project}/traces/{trace}" if self._project else trace
            )
            if span:
                event["logging.googleapis.com/spanId"] = span
            event["logging.googleapis.com/trace_sampled"] = sampled
        if record.name == REQUESTS and "status" in event:
            event["httpRequest"] = _http_request(event)
        return event


class Short(Json):
    """`level=warning request_id=... msg="..." name=value`, as Heroku's own router writes: the time and the process
    stand before each line there. The last lines of a traceback, as far as there is room."""

    limit = HEROKUS_LIMIT

    def format(self, record: logging.LogRecord) -> str:
        return fit(self.event(record), _pairs, self.limit)


def level(record: logging.LogRecord) -> str:
    """The nearest of the five levels: libraries make up their own."""
    return next((name for number, name in _LEVELS.items() if record.levelno >= number), "DEBUG")


def message(record: logging.LogRecord) -> str:
    """The message; where it does not fit its arguments, both: nothing is lost by a slip in a call of the log."""
    try:
        return record.getMessage()
    except Exception:
        return f"{safe_str(record.msg)} {safe_str(record.args)}"


def facts(record: logging.LogRecord) -> dict[str, Any]:
    found = getattr(record, "facts", None)
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def request_id(record: logging.LogRecord, environ: Mapping[str, Any] | None) -> str:
    id = getattr(record, "request_id", "") or (environ or {}).get(context.ID, "")
    return str(id)


def traceback(record: logging.LogRecord) -> str:
    """The traceback that comes with a record, or the stack, or nothing."""
    found = ""
    if record.exc_info and record.exc_info[1] is not None:
        from traceback import format_exception

        try:
            found = "".join(format_exception(*record.exc_info))
        except Exception:  # an error whose own methods fail
            found = f"{record.exc_info[0]!r}, which cannot be shown"
    elif record.exc_text:
        found = record.exc_text
    if record.stack_info:
        found += "\n" + record.stack_info
    return found.strip()


def moment(seconds: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"


def safe_str(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def printable(text: str) -> str:
    """`text` with what is no visible character written as Python would: line ends, control characters, the colours of
    terminals, marks that turn the direction of writing, halves of surrogate pairs."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def cut(text: str, length: int) -> str:
    """`text` with its middle left out, if it is longer: the last lines of a traceback say most."""
    if len(text) <= length:
        return text
    mark = f" [... {len(text) - length} characters left out ...] "
    head = length // 3
    return text[:head] + mark + text[len(text) - (length - head) :]


def fit(event: dict[str, Any], worded: Callable[[dict[str, Any]], str], limit: int) -> str:
    """The line that `worded` makes of `event`, within so many bytes: its longest texts are cut, and if there are too
    many, facts left out."""
    line = worded(event)
    whole: dict[str, str] = {}
    while (over := len(line.encode("utf-8", "replace")) - limit) > 0:
        for name, value in event.items():
            if isinstance(value, (dict, list)):
                event[name] = json.dumps(value)  # nobody reads half of a tree
        name = max(event, key=lambda name: len(event[name]) if isinstance(event[name], str) else 0)
        text = event[name]
        if len(text) > _SHORTENED:
            per_character = len(json.dumps(text)) / len(text)
            length = min(len(text) - int(over / per_character) - 60, len(text) * 9 // 10 - 60)
            event[name] = cut(whole.setdefault(name, text), max(_SHORTENED // 2, length))
        else:
            facts = [name for name in event if name not in _ALWAYS]
            for name in facts[len(facts) // 2 :]:
                del event[name]
        line = worded(event)
    return line


def google_trace(environ: Mapping[str, Any]) -> tuple[str, str, bool]:
    """The trace, the span in it, each in hexadecimal digits, and whether it is kept; empty where the headers do not
    say, or not well. `X-Cloud-Trace-Context: TRACE/SPAN;o=1`, or `traceparent: 00-TRACE-SPAN-01` (W3C)."""
    old = environ.get("HTTP_X_CLOUD_TRACE_CONTEXT", "")
    if old:
        trace, _, rest = old.partition("/")
        span, _, options = rest.partition(";")
        if _is_hex(trace, 32):
            digits = span if span.isascii() and span.isdigit() and len(span) <= 20 else ""
            return trace.lower(), f"{int(digits):016x}" if digits else "", options.strip() == "o=1"
    parts = environ.get("HTTP_TRACEPARENT", "").split("-")
    if len(parts) >= 4 and _is_hex(parts[1], 32) and _is_hex(parts[2], 16) and len(parts[3]) == 2:
        return parts[1].lower(), parts[2].lower(), parts[3][1] in "13579bdf"
    return "", "", False


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(char in "0123456789abcdefABCDEF" for char in text) and text.strip("0") != ""


def _http_request(event: dict[str, Any]) -> dict[str, Any]:
    request = {
        "requestMethod": event.get("method"),
        "requestUrl": event.get("path"),
        "status": event["status"],
        "latency": f"{event.get('ms', 0) / 1000:.6f}s",
        "remoteIp": event.get("client"),
    }
    if event.get("bytes") is not None:
        request["responseSize"] = str(event["bytes"])
    return {name: value for name, value in request.items() if value is not None}


def _pairs(event: dict[str, Any]) -> str:
    words = [f"level={event['level'].lower()}"]
    if event["logger"] != REQUESTS:
        words.append(f"logger={_quoted(event['logger'])}")
    for name, value in event.items():
        if name == "message":
            if event["logger"] != REQUESTS:
                words.append(f"msg={_quoted(value)}")
        elif name not in ("time", "level", "logger"):
            words.append(f"{_name(name)}={_quoted(value)}")
    return " ".join(words)


def _name(name: str) -> str:
    return "".join(char if char.isalnum() or char in "_-./" else "_" for char in name)


def _quoted(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if text and text.isprintable() and not any(char in ' "=\\' for char in text):
        return text
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
