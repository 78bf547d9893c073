"""Who has taken a connection and not given it back. In development only: in production nothing of this is switched on.

A request that ends while a connection that it took is still out is named in the log in one line, with the line of the
site's own code that took it. A connection that was dropped without being given back is named too, though the garbage
collector saves that one: it does so some time, and until then the pool is one short. And a pool that is exhausted says
who holds its connections, and for how long.

A connection taken in a thread that a request started is not that request's: the thread may go on for good reason.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime

if TYPE_CHECKING:
    import sqlalchemy

#: Where a request's connections are listed.
KEY = "demijohn.database.leaks"
log = logging.getLogger("demijohn.database")

#: Modules that take a connection on somebody's behalf.
_BETWEEN = frozenset(("sqlalchemy", "demijohn", "contextlib"))


class _Taken:
    """One connection that is out."""

    __slots__ = ("back", "dropped", "kept", "since", "where", "who")

    def __init__(self, where: str, who: str) -> None:
        self.where = where
        self.who = who
        self.since = time.monotonic()
        self.back = self.dropped = False
        self.kept: Any = None  # the weak reference to what its taker holds

    def __str__(self) -> str:
        return f"{self.where} took one {time.monotonic() - self.since:.1f} s ago ({self.who})"


class _Taking:
    """What one request has taken; joins it, to look at its very end."""

    __slots__ = ("environ", "taken", "who")
    order = 1000  # closed after all that gives a connection back

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.taken: list[_Taken] = []
        self.who = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"

    def prepare(self, status: int) -> None: ...

    def settle(self, status: int, headers: lifetime.Headers | None) -> None: ...

    def close(self) -> None:
        self.environ.pop(KEY, None)
        for taken in self.taken:
            if taken.dropped:
                log.warning(
                    "%s took a database connection at %s and dropped it, to be found by the garbage collector. Give it "
                    "back: use `with`, or close().",
                    self.who,
                    taken.where,
                )
            elif not taken.back:
                log.warning(
                    "%s has ended and not given back the database connection that it took at %s. Use `with`, or "
                    "close() it: each one lost leaves one less for all requests.",
                    self.who,
                    taken.where,
                )


def watch(engine: sqlalchemy.Engine) -> None:
    """Watch the connections of `engine`: tell the log of those that a request leaves behind, and have the error of an
    exhausted pool say who holds them."""
    from sqlalchemy import event, exc

    out: dict[Any, _Taken] = {}

    @event.listens_for(engine, "checkout")
    def taken(_connection: Any, record: Any, held: Any) -> None:
        request = _request()
        one = _Taken(line(sys._getframe(1)), request.who if request else f"in {threading.current_thread().name}")
        if request is not None:
            request.taken.append(one)
        one.kept = weakref.ref(held, lambda _: _drop(one))
        out[record] = one

    def back(_connection: Any, record: Any) -> None:
        one = out.pop(record, None)
        if one is not None:
            one.back = True
            one.kept = None

    event.listen(engine, "checkin", back)
    event.listen(engine, "detach", back)  # the taker's own from now on

    take = engine.raw_connection

    def raw_connection() -> Any:
        try:
            return take()
        except exc.TimeoutError as error:
            oldest_first = sorted(out.copy().values(), key=lambda one: one.since)
            error.args = ("\n  ".join([f"{error.args[0]} Who holds connections:", *map(str, oldest_first)]),)
            raise

    engine.raw_connection = raw_connection  # type: ignore[method-assign]  # the pool's own is another after dispose()


def _drop(taken: _Taken) -> None:
    # Called by the garbage collector in the midst of anything: the log is told when the request ends.
    taken.dropped = not taken.back


def _request() -> _Taking | None:
    """The request that this thread answers."""
    try:
        environ = bottle.request.environ
    except RuntimeError:
        return None
    taking: _Taking | None = environ.get(KEY)
    if taking is None and lifetime.KEY in environ:
        taking = environ[KEY] = _Taking(environ)
        lifetime.join(environ[lifetime.KEY], taking)
    return taking


def line(frame: FrameType | None) -> str:
    """The innermost line that is neither SQLAlchemy's nor this package's. Where a part has taken the connection for
    itself there is none: then the line of that part."""
    ours = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        top = module.partition(".")[0]
        if module == "demijohn.lifetime" and ours:
            return ours
        # SQLAlchemy makes functions at run time, in files called <string> and the like.
        if not frame.f_code.co_filename.startswith("<"):
            where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            if top not in _BETWEEN:
                return where
            if top == "demijohn" and not ours:
                ours = where
        frame = frame.f_back
    return ours
