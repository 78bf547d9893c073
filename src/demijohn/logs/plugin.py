"""`Logs`: each request has an id, and is told of, or only if it was slow. Works in any Bottle app:

app = bottle.Bottle()
logs = app.install(Logs(requests=True))

It writes through `logging`, and says nothing of where that writes to: that is `output.install`'s, or the app's own.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bottle

from demijohn import lifetime
from demijohn.forks import in_child
from demijohn.logs.context import ID, here, is_well_formed
from demijohn.logs.formats import REQUESTS
from demijohn.secrecy import HIDDEN, of_path, query

if TYPE_CHECKING:  # Python 3.10 has no wsgiref.types
    from wsgiref.types import WSGIEnvironment

#: Where a request's environ says who has begun it, when (by `perf_counter`), and for which path.
KEY = "demijohn.logs"
#: And what its time went to.
SPENT = "demijohn.logs.spent"
#: The header of the answer, and of the request where a proxy sets it.
HEADER = "X-Request-ID"
_NO_BODY = frozenset((204, 304))
requests_log = logging.getLogger(REQUESTS)
queries_log = logging.getLogger("demijohn.queries")
errors_log = logging.getLogger("demijohn.errors")


class _Spent:
    """What a request has spent its time on: made when there is something to add up."""

    __slots__ = ("parts", "queries", "query_time")

    def __init__(self) -> None:
        self.queries = 0
        self.query_time = 0.0  # seconds
        self.parts: dict[str, float] = {}  # seconds, by name


class Logs:
    """Gives each request an id, in `environ["demijohn.request_id"]` and in the answer's X-Request-ID.

    :param requests: tell of each request, in one line when its answer is complete.
    :param slow_request: milliseconds. One that takes longer is told as a warning, in any case. None: none is.
    :param slow_query: the same for a statement of the database: what `query` is told.
    :param id_header: the header in which the proxy before the site gives each request its id. Empty: none does, and
        what a visitor says is not believed.
    :param server_timing: say in each answer where its time went, for the browser's developer tools.
    :param quiet: where addresses begin that are not told of unless they are slow, such as a prober's.
    :param errors: tell of errors that no handler has caught. Tickets tell of them, too.
    """

    name = "logs"
    api = 2

    def __init__(
        self,
        *,
        requests: bool = False,
        slow_request: int | None = None,
        slow_query: int | None = None,
        id_header: str = "",
        server_timing: bool = False,
        quiet: tuple[str, ...] = (),
        errors: bool = True,
    ) -> None:
        self.requests = requests
        self.server_timing = server_timing
        self.slow_request = float("inf") if slow_request is None else slow_request / 1000
        self.slow_query = float("inf") if slow_query is None else slow_query / 1000
        self._id_key = "HTTP_" + id_header.upper().replace("-", "_") if id_header else ""
        self._quiet = quiet
        self._errors = errors
        self._stream = _ErrorStream()
        self._renew()
        in_child(self, Logs._renew)

    def _renew(self) -> None:
        # The copies of a process would go on with the same numbers.
        self._prefix = os.urandom(6).hex() + "-"
        self._number = itertools.count(int.from_bytes(os.urandom(3), "big")).__next__

    # Bottle's side

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self._open, self._finish)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def come_last(self, app: Any) -> None:
        """Finish each answer after all parts that have been installed until now."""
        lifetime.forget(app, finisher=self._finish)
        lifetime.attach(app, finisher=self._finish)

    def close(self) -> None:
        """Nothing to close."""

    # What a site uses

    @property
    def request_id(self) -> str:
        """The id of the request that this thread answers, to pass on to other services; empty outside a request."""
        try:
            return str(bottle.request.environ.get(ID, ""))
        except RuntimeError:
            return ""

    @property
    def wants_queries(self) -> bool:
        """Whether it is worth telling of each query: somebody will read of it."""
        return self.requests or self.server_timing or self.slow_query != float("inf")

    def query(self, statement: str, seconds: float) -> None:
        """A statement of the database took so long. Its values are never asked for."""
        spent = _spent()
        if spent is not None:
            spent.queries += 1
            spent.query_time += seconds
        if seconds >= self.slow_query:
            from demijohn.logs.slow import where, without_literals

            place = where(sys._getframe(1))
            told = {"query_ms": round(seconds * 1000, 1), "statement": without_literals(statement), "at": place}
            queries_log.warning("A query took %.0f ms", seconds * 1000, extra={"facts": told})

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Have what happens within told as a part of the request's time, in Server-Timing. Parts of one name add up."""
        spent = _spent() if self.server_timing else None
        began = perf_counter()
        try:
            yield
        finally:
            if spent is not None:
                spent.parts[name] = spent.parts.get(name, 0.0) + perf_counter() - began

    # On the way of each request

    # Each line of the next two costs every request some hundredths of its time.

    def _open(self, environ: WSGIEnvironment) -> None:
        if KEY in environ:  # of the app in which this one is mounted as WSGI
            return
        id = environ.get(self._id_key)
        if id is None or not is_well_formed(id):
            # Times an odd number, each of 2**32 is another; and nobody sees how many requests there were.
            id = f"{self._prefix}{self._number() * 0x9E3779B1 & 0xFFFFFFFF}"
        environ[ID] = id
        environ["wsgi.errors"] = self._stream
        here.environ = environ
        environ[KEY] = self, perf_counter(), environ["PATH_INFO"]  # Bottle writes it anew

    def _finish(self, environ: WSGIEnvironment, status: int, headers: lifetime.Headers) -> None:
        owner, began, _ = environ[KEY]
        if owner is not self:
            return
        for name, _ in headers:  # among the first, as Bottle makes them
            if name == "Content-Length":
                if self.requests or perf_counter() - began >= self.slow_request:
                    self._tell(environ, status, headers)
                break
        else:
            self._tell_later(environ, status, headers)
        if status >= 500 and self._errors:
            self._tell_error(environ)
        if self.server_timing:
            headers.append(("Server-Timing", _server_timing(environ)))
        headers.append((HEADER, environ[ID]))

    def _tell_later(self, environ: WSGIEnvironment, status: int, headers: lifetime.Headers) -> None:
        """Tell of the request when its answer is complete, if that is still to come."""
        if not self.requests and self.slow_request == float("inf"):
            return
        bodiless = status in _NO_BODY or environ["REQUEST_METHOD"] == "HEAD"
        if bodiless or lifetime.KEY not in environ:
            self._tell(environ, status, headers)
        else:
            environ[lifetime.KEY].append(_End(self, environ, status))

    def _tell(
        self, environ: WSGIEnvironment, status: int, headers: lifetime.Headers | None, is_cut: bool = False
    ) -> None:
        took = perf_counter() - environ[KEY][1]
        is_slow = took >= self.slow_request
        path = _path(environ)
        if not is_slow and (not self.requests or path.startswith(self._quiet or "\n")):
            return
        level = logging.WARNING if is_slow else logging.INFO
        if not requests_log.isEnabledFor(level):
            return
        route = environ.get("bottle.route")
        told: dict[str, Any] = {
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "route": None if route is None else f"{route.method} {route.rule}",
            "status": status,
            "ms": round(took * 1000, 1),
            "bytes": _length(headers),
            "client": environ.get("REMOTE_ADDR"),
        }
        spent = environ.get(SPENT)
        if spent is not None and spent.queries:
            told.update(queries=spent.queries, query_ms=round(spent.query_time * 1000, 1))
        if is_slow:
            told["slow"] = True
        if is_cut:
            told["cut"] = True
        told = {name: value for name, value in told.items() if value is not None}
        words = f"{told['method']} {path} {status} in {took * 1000:.0f} ms"
        if is_slow:
            words = f"Slow: {words}"
        requests_log.log(level, "%s", words, extra={"facts": told, "request_id": environ[ID]})

    def _tell_error(self, environ: WSGIEnvironment) -> None:
        caught = environ.get("bottle.exc_info")  # of a handler
        if caught is not None:
            where = f"{environ['REQUEST_METHOD']} {_path(environ)}"
            errors_log.error("%s failed: %s", where, caught[0].__name__, exc_info=caught)


class _End:
    """Joins a request whose answer is a stream, when that begins, to tell of its end."""

    order = 2000  # after all others have been closed

    def __init__(self, logs: Logs, environ: WSGIEnvironment, status: int) -> None:
        self._logs = logs
        self._environ = environ
        self._status = status
        self._whole = False

    def prepare(self, status: int) -> None: ...

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        self._whole = True  # asked at the end of a stream that has come to it

    def close(self) -> None:
        self._logs._tell(self._environ, self._status, None, is_cut=not self._whole)


class _ErrorStream:
    """`wsgi.errors` of a request: what is written to it becomes events of the log. A traceback by Bottle does not: it
    is told as an event when the answer is known."""

    def write(self, text: str) -> int:
        if text.strip() and not (text.startswith("Traceback (most recent") and sys.exc_info()[1] is not None):
            errors_log.error("%s", text.rstrip())
        return len(text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing is held back."""


def _spent() -> _Spent | None:
    """What the request that this thread answers has spent its time on."""
    try:
        environ = bottle.request.environ
    except RuntimeError:
        return None
    if KEY not in environ or lifetime.KEY not in environ:
        return None
    spent: _Spent | None = environ.get(SPENT)
    if spent is None:
        spent = environ[SPENT] = _Spent()
    return spent


def _path(environ: WSGIEnvironment) -> str:
    """The address that was asked for, as it is written in one: in ASCII, what is secret in its query hidden."""
    path = environ.get("SCRIPT_NAME", "").rstrip("/") + environ[KEY][2]
    for secret in of_path(environ.get("route.url_args") or {}):
        path = path.replace(secret, HIDDEN)
    path = quote(path.encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~")
    asked = query(environ.get("QUERY_STRING", ""))
    return f"{path}?{asked}" if asked else path


def _length(headers: lifetime.Headers | None) -> int | None:
    for name, value in headers or ():
        if name == "Content-Length":
            return int(value) if value.isdecimal() else None
    return None


def _server_timing(environ: WSGIEnvironment) -> str:
    """https://www.w3.org/TR/server-timing/"""
    timings = [f"total;dur={(perf_counter() - environ[KEY][1]) * 1000:.1f}"]
    spent: _Spent | None = environ.get(SPENT)
    if spent is not None:
        if spent.queries:
            words = f"{spent.queries} quer{'y' if spent.queries == 1 else 'ies'}"
            timings.append(f'db;dur={spent.query_time * 1000:.1f};desc="{words}"')
        timings += [f"{name};dur={seconds * 1000:.1f}" for name, seconds in spent.parts.items()]
    return ", ".join(timings)
