"""How long the visitor is waited for. Who sends a byte now and then would else keep a thread for ever.

A body may take `body.timeout` seconds, and beyond them as long as it comes at `body.rate` bytes a second. Only the
waiting counts, not what the handler does with the pieces.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bottle import HTTPError

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


class TooSlow(Exception):
    """The time is over. It is no OSError: the standard library would not read on from the socket, and servers do."""


def too_slow() -> HTTPError:
    sentence = "The body of the request comes too slowly, or has ceased to come. Please send it again."
    settings = "The settings are body.timeout and body.rate, a route's options body_timeout and body_rate."
    return HTTPError(408, f"{sentence} ({settings})")


class Pace:
    """The time that is left to one body."""

    def __init__(self, environ: WSGIEnvironment, timeout: float, rate: int) -> None:
        self._left = float(timeout)
        self._rate = rate
        self._environ = environ

    def hurry(self, seconds: float) -> None:
        """Leave no more than this, whatever still comes."""
        self._left = min(self._left, seconds)
        self._rate = 0

    def wait(self, descriptor: int) -> None:
        """Wait within a reader that is kept: until something has come, or the visitor has hung up.

        :raises TooSlow: neither has happened in time.
        """
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max((_UNTIL.time or 0) - time.monotonic(), 0) * 1000):
            raise TooSlow

    def keep(self, read: Callable[..., bytes]) -> Callable[..., bytes]:
        """`read`, which now raises TooSlow when the time is over.

        While it blocks it is interrupted where its socket can be found: under gunicorn, wsgiref and cheroot."""
        connection = _connection(self._environ)
        if connection is not None:
            _watch(connection)

        def timed(*size: int) -> bytes:
            began = time.monotonic()
            _UNTIL.time = began + self._left
            try:
                piece = read(*size)
                self._left -= time.monotonic() - began
                if self._left < 0:
                    raise TooSlow
            except TooSlow:
                if connection is not None:
                    _end_reading(connection)
                raise
            finally:
                _UNTIL.time = None
            if self._rate:
                self._left += len(piece) / self._rate
            return piece

        return timed


def _connection(environ: WSGIEnvironment) -> Any:
    """The socket that the body comes from; None where it cannot be told."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        stream: Any = environ.get("wsgi.input")
        while hasattr(stream, "rfile"):  # cheroot
            stream = stream.rfile
        connection = getattr(getattr(stream, "raw", None), "_sock", None)  # the standard library's
    return connection


class _Until(threading.local):
    time: float | None = None


_UNTIL = _Until()
_WATCHED: dict[type, type] = {}


def _watch(connection: Any) -> None:
    """Have this socket raise TooSlow when the time of the body is over. A timeout of its own would begin anew with
    every byte, and servers ask until they have as much as they want."""
    kind = type(connection)
    if kind in _WATCHED.values() or not hasattr(connection, "recv_into"):
        return
    if kind not in _WATCHED:

        def recv(self: Any, *args: Any) -> Any:
            return _in_time(self, kind.recv, args)

        def recv_into(self: Any, *args: Any) -> Any:
            return _in_time(self, kind.recv_into, args)

        members = {"__slots__": (), "recv": recv, "recv_into": recv_into, "__module__": kind.__module__}
        _WATCHED[kind] = type(kind.__name__, (kind,), members)
    connection.__class__ = _WATCHED[kind]


def _in_time(connection: Any, receive: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    until = _UNTIL.time
    if until is None:
        return receive(connection, *args)
    left = until - time.monotonic()
    if left <= 0:
        raise TooSlow
    own = connection.gettimeout()
    if own is not None and own <= left:
        return receive(connection, *args)
    connection.settimeout(left)
    try:
        return receive(connection, *args)
    except TimeoutError:
        raise TooSlow from None
    finally:
        connection.settimeout(own)


def _end_reading(connection: Any) -> None:
    """Have nobody wait for the rest; cheroot does, before it lets the answer go."""
    import socket  # most sites have it already

    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
