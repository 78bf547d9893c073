"""Whether the site can be asked: `/_health/live` for whoever restarts processes, `/_health/ready` for whoever sends
them visitors. And when it had better not be: maintenance.

`live` answers 200 as long as the process answers at all, and touches nothing: a restart mends no database. `ready` asks
what the site needs, and answers 503 where it had better not be visited. What is wrong it says only to those who may
know: who has the key, and whoever asks on this machine.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from demijohn import lifetime
from demijohn.forks import in_child, new_lock

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

LIVE, READY = "/_health/live", "/_health/ready"
#: Says whether visitors can be served, with a word or two if it likes; what it raises means that they cannot.
Check: TypeAlias = Callable[[], "tuple[bool, str] | bool | None"]
Findings: TypeAlias = dict[str, tuple[bool, str]]
#: Seconds that what was found is told again, so that nobody can wear out the database by asking.
REMEMBERED = 1.0
#: Seconds after whose end no further check is begun. Load balancers wait for 5 to 10.
TOTAL = 5.0
#: What a proxy leaves behind. Who comes from this machine without any of them has come through none.
_TRACES = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_REAL_IP",
    "HTTP_VIA",
)
_LOCAL = ("127.", "::1", "::ffff:127.")
log = logging.getLogger("demijohn.health")


class Health:
    """The two addresses, as a Bottle plugin. They are answered before anything else of the app is asked.

    :param checks: what `ready` asks, by name, one after the other.
    :param key: who shows it, as the header X-Health-Key or as `?key=`, is told what is wrong.
    """

    name = "health"
    api = 2

    def __init__(self, checks: Mapping[str, Check] | None = None, key: str | None = None) -> None:
        self.checks: dict[str, Check] = dict(checks or {})
        #: Whether this process is about to end. The server's part sets it.
        self.draining: Callable[[], bool] = bool
        #: Whether visitors are to come whatever the checks find, to see the page that says why: maintenance.
        self.expected: Callable[[], bool] = bool
        self._key = key.encode() if key else b""
        self._found: Findings = {}
        self._found_at = float("-inf")
        self._asking = threading.Lock()
        in_child(self, new_lock("_asking"))

    def add(self, name: str, check: Check) -> None:
        """Have `ready` ask `check`, too. It must end by itself, in a second or two: nothing ends it from outside."""
        self.checks[name] = check

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self.open)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def open(self, environ: WSGIEnvironment) -> lifetime.Ready | None:
        """The answer, if this request asks for it."""
        path = environ["PATH_INFO"]
        if path not in _PATHS:
            return None
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _answer(environ, 405, {"error": "GET and HEAD are understood here."})
        if path == LIVE:
            return _answer(environ, 200, {"live": True})
        return self._ready(environ)

    def findings(self) -> Findings:
        """What the checks say now, or said less than a second ago. Of many that ask at the same time one finds it out;
        the others are told what was found before."""
        if time.monotonic() - self._found_at < REMEMBERED:
            return self._found
        first = self._found_at == float("-inf")
        if not self._asking.acquire(blocking=first):
            return self._found
        try:
            if time.monotonic() - self._found_at >= REMEMBERED:
                self._found = self._ask()
                self._found_at = time.monotonic()
            return self._found
        finally:
            self._asking.release()

    def _ready(self, environ: WSGIEnvironment) -> lifetime.Ready:
        if self.draining():
            return _answer(environ, 503, {"ready": False, "process": "about to end"})
        expected, told = self.expected(), self._may_know(environ)
        findings = self.findings() if told or not expected else {}
        ready = expected or all(well for well, _ in findings.values())
        words = {name: word for name, (_, word) in findings.items()} if told else {}
        if expected and told:
            words["maintenance"] = "on"
        return _answer(environ, 200 if ready else 503, {"ready": ready, **words})

    def _ask(self) -> Findings:
        began = time.monotonic()
        findings: Findings = {}
        for name, check in list(self.checks.items()):
            if time.monotonic() - began >= TOTAL:
                findings[name] = False, "not asked: the others took too long"
                continue
            findings[name] = _find(name, check)
        return findings

    def _may_know(self, environ: WSGIEnvironment) -> bool:
        if self._key:
            shown = environ.get("HTTP_X_HEALTH_KEY", "") or _in_query(environ.get("QUERY_STRING", ""))
            if hmac.compare_digest(shown.encode("utf8", "replace"), self._key):
                return True
        if not environ.get("REMOTE_ADDR", "").startswith(_LOCAL):
            return False
        return not any(name in environ for name in _TRACES)


_PATHS = frozenset((LIVE, READY))
_LINES = {200: "200 OK", 405: "405 Method Not Allowed", 503: "503 Service Unavailable"}


def _find(name: str, check: Check) -> tuple[bool, str]:
    try:
        found = check()
    except Exception as error:
        log.warning("The health check %r failed: %s: %s", name, type(error).__name__, error)
        return False, "failed"
    if isinstance(found, tuple):
        return bool(found[0]), str(found[1])
    well = found is None or bool(found)
    return well, "answers" if well else "failed"


def _in_query(query: str) -> str:
    if "key=" not in query:
        return ""
    from urllib.parse import parse_qs

    return parse_qs(query, max_num_fields=100).get("key", [""])[0] if query.count("&") < 100 else ""


def _answer(environ: WSGIEnvironment, code: int, content: dict[str, Any]) -> lifetime.Ready:
    body = json.dumps(content).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if code == 405:
        headers.append(("Allow", "GET, HEAD"))
    return _LINES[code], code, headers, [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
