"""`Maintenance`: the site closed to visitors, or to be read only, and every copy of it within two seconds.

app = bottle.Bottle()
app.install(Maintenance(file="DISABLED", secrets=["..."]))

Told by a variable, which a process reads as it starts; by a file; or by what all copies share. The latter two are
looked at by a request that comes a second or more after the last look: no thread, and nothing while nobody visits. The
first look is not taken before a process has run for a second, so that a cold start pays nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.forks import in_child, new_lock
from demijohn.health.notice import OFF, ON, READ_ONLY, Notice, read

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

#: Seconds between two looks.
PAUSE = 1.0
#: Seconds between two looks at what does not answer, at most.
LONGEST = 8.0
#: In the environ of a request that is refused: for the page to be the one for it.
KEY = "demijohn.maintenance"
#: In the environ of a request that is let through.
OPERATOR = "demijohn.operator"
_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))  # RFC 9110 section 9.2.1
log = logging.getLogger("demijohn.health")


class Maintenance:
    """As a Bottle plugin.

    :param mode: `on`, `read-only` or `off`: what the settings say. Anything but `off` is stronger than all else.
    :param file: the path of a file by whose being there the site is closed; what is in it is the message. None: none.
    :param shared: what returns the notice that all copies share, as `Notice.write` has written it, or None.
    :param secrets: sign the operators' passes, the first; all are believed. Empty: nobody is let through.
    :param spared: the beginnings of paths that are answered all the same: the static files of the page.
    """

    name = "maintenance"
    api = 2

    def __init__(
        self,
        *,
        mode: str = OFF,
        file: str | None = None,
        shared: Callable[[], bytes | None] | None = None,
        secrets: Sequence[str] = (),
        spared: Sequence[str] = (),
    ) -> None:
        self._set = Notice() if mode == OFF else Notice(mode)
        self._file = file
        self._shared = shared
        self._secrets = tuple(secrets)
        self._spared = tuple(spared)
        self._told = Notice()  # by what all copies share, as far as is known
        self._pause = PAUSE
        self._next = time.monotonic() + PAUSE
        self._next_shared = 0.0
        self._looking = threading.Lock()
        self._app: Any = None
        self._reminds = False
        #: How the site stands.
        self.notice = self._set
        self._stands_open = self._set.mode == OFF
        in_child(self, new_lock("_looking"))

    def setup(self, app: Any) -> None:
        self._app = app
        lifetime.attach(app, self.open)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def open(self, environ: WSGIEnvironment) -> lifetime.Ready | None:
        """Refuse this request, if that is how the site stands."""
        if time.monotonic() >= self._next:
            self.look()
        return None if self._stands_open else self._judge(environ)

    def look(self) -> Notice:
        """How the site stands, found out anew if that is due. Never raises, and waits for no other thread."""
        now = time.monotonic()
        if now >= self._next and self._looking.acquire(blocking=False):
            try:
                self._next = now + PAUSE
                self._take(now)
            finally:
                self._looking.release()
        return self.notice

    def found(self) -> Notice:
        """How the site stands, asked now and whatever was known: for a command.

        :raises SharedDownError: what all copies share does not answer.
        """
        if self._shared is not None:
            text = self._shared()
            self._told = Notice() if text is None else read(text)
        return self._strongest()

    def _strongest(self) -> Notice:
        notices = (self._set, self._in_file(), self._told)
        return next((notice for notice in notices if notice.mode != OFF), None) or Notice()

    def _take(self, now: float) -> None:
        if self._shared is not None and now >= self._next_shared:
            self._ask(self._shared)
        notice = self._strongest()
        if notice != self.notice:
            log.warning("Maintenance is %s%s", notice.mode, f": {notice.message}" if notice.message else "")
            self.notice = notice
            self._stands_open = notice.mode == OFF

    def _ask(self, shared: Callable[[], bytes | None]) -> None:
        from demijohn.shared import SharedDownError

        try:
            text = shared()
        except SharedDownError as error:  # what was known goes on
            log.debug("Whether there is maintenance could not be found out: %s", error)
            self._wait(min(LONGEST, self._pause * 2))
        except Exception:
            log.warning("Whether there is maintenance could not be found out", exc_info=True)
            self._wait(LONGEST)
        else:
            self._told = Notice() if text is None else read(text)
            self._pause = PAUSE

    def _wait(self, seconds: float) -> None:
        """Leave what does not answer alone."""
        self._pause = seconds
        self._next_shared = time.monotonic() + seconds

    def _in_file(self) -> Notice:
        if self._file is None:
            return Notice()
        try:
            os.stat(self._file)
        except OSError:
            return Notice()
        try:
            with open(self._file, "rb") as file:
                return read(file.read(10_000))
        except OSError:
            return Notice(ON)

    def _judge(self, environ: WSGIEnvironment) -> lifetime.Ready | None:
        from demijohn.health import operators  # which a site that is open does not need

        notice, path = self.notice, environ["PATH_INFO"]
        if path == operators.PATH:
            return self._let_in(environ)
        if notice.mode == READ_ONLY and environ["REQUEST_METHOD"] in _SAFE:
            return None
        if path.startswith(self._spared):
            return None
        if operators.seconds_left(operators.shown_in(environ.get("HTTP_COOKIE", "")), self._secrets):
            if not self._reminds:
                self._reminds = True
                lifetime.attach(self._app, finisher=_remind)
            environ[OPERATOR] = notice.mode
            return None
        environ[KEY] = notice
        headers = {"Retry-After": str(notice.retry_after), "Cache-Control": "no-store"}
        raise bottle.HTTPError(503, notice.sentence, **headers)

    def _let_in(self, environ: WSGIEnvironment) -> lifetime.Ready:
        """The link that was printed: its pass becomes a cookie."""
        from urllib.parse import parse_qs

        from demijohn.health import operators

        shown = parse_qs(environ.get("QUERY_STRING", "")[:200]).get("pass", [""])[0]
        left = operators.seconds_left(shown, self._secrets)
        if not left:
            words = "This link is good no more. Whoever runs the site can have another: demijohn maintenance status"
            raise bottle.HTTPError(403, words, **{"Cache-Control": "no-store"})
        where = environ.get("SCRIPT_NAME", "") or "/"
        cookie = f"{operators.COOKIE}={shown}; Max-Age={left}; Path={where}; HttpOnly; SameSite=Lax"
        if environ.get("wsgi.url_scheme") == "https":
            cookie += "; Secure"
        headers = [
            ("Location", where),
            ("Set-Cookie", cookie),
            ("Cache-Control", "no-store"),
            ("Content-Type", "text/plain"),
            ("Content-Length", "0"),
            ("Referrer-Policy", "no-referrer"),
        ]
        status = HTTPStatus.SEE_OTHER
        return f"{status.value} {status.phrase}", status.value, headers, []


def _remind(environ: WSGIEnvironment, status: int, headers: lifetime.Headers) -> None:
    """Say to whoever is let through that others are not."""
    mode = environ.get(OPERATOR)
    if mode is not None:
        headers.append(("X-Maintenance", f"{mode}; you are let through as an operator"))
