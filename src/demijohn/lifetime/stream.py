"""A body that is made while it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import bottle

from demijohn.lifetime.participants import Participant, Watcher, end, log_error, settle, show

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


class Stream:
    """A body that is still being made while it is sent. What it writes is kept if it runs to its end.

    A server may ask for each piece in another thread, and for pieces of two bodies by turns: `bottle.request` and
    `bottle.response` are made to be those that this body belongs to."""

    def __init__(
        self,
        body: Iterable[bytes],
        participants: list[Participant],
        environ: WSGIEnvironment,
        outer: list[Participant] | None,
        respond: Callable[[], None],
        watchers: list[Watcher],
    ) -> None:
        self._close_inner: Callable[[], None] | None = getattr(body, "close", None)
        self._pieces = iter(body)
        self._participants = participants
        self._environ = environ
        self._outer = outer
        self._respond = respond
        self._watchers = watchers
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._closed:
            self._bind()
        try:
            return next(self._pieces)
        except StopIteration:
            # Raised again, an error makes the server cut the connection: the visitor sees that the end is missing.
            error = settle(self._participants, 200, None)
            if error is not None:
                if not self._watchers:
                    log_error(error)
                show(self._watchers, self._environ, error)
            self.close()
            if error is not None:
                raise error from None
            raise
        except Exception as error:
            show(self._watchers, self._environ, error)
            raise

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        close, self._close_inner = self._close_inner, None
        participants, self._participants = self._participants, []
        try:
            if close is not None:
                self._bind()
                close()
        except Exception as error:
            show(self._watchers, self._environ, error)
            raise
        finally:
            end(self._environ, participants, self._outer)

    def _bind(self) -> None:
        try:
            here = bottle.request.environ is self._environ
        except RuntimeError:  # a thread that has answered no request yet
            here = False
        if not here:
            bottle.request.bind(self._environ)
            self._respond()  # by its charset Bottle turns text into bytes
