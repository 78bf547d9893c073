"""What a session store is asked to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

#: A fence that no cached copy passes: the truth itself is read.
FRESH = 2**62


class Record(NamedTuple):
    """A session as its store has it."""

    payload: bytes
    #: Given back to `replace`: says which write this was. None: not known, so that the next `replace` is refused.
    token: Any
    #: When its time is over, seconds since the epoch.
    ends: float
    #: Not 0: a cache could not be told of this write. Who reads this session next must say so, or may get what the
    #: cache had before.
    fence: int = 0


class Listed(NamedTuple):
    """One session in a list."""

    id: str
    payload: bytes
    ends: float


class Store(Protocol):
    """Keeps payloads under ids, each for a time. Every method may raise `StoreUnavailableError`; none ever takes a
    store that is down for one that is empty.

    `ttl` is in seconds. `user` is the text by which all sessions of one user are found; None: nobody's.
    """

    #: As it is written in `session.type`.
    name: str
    #: Bytes that a payload may take.
    limit: int
    #: Whether a restart of its server loses nothing.
    durable: bool
    #: Whether of two requests at once both find their changes kept. Where not, the later answer has it all its way.
    merges: bool
    #: Whether a session that has been deleted is dead. Where not, a copy of its cookie is good until its end.
    revokes: bool

    def read(self, id: str, fence: int = 0) -> Record | None:
        """The record, or None where there is none or its time is over.

        :param fence: of the last write that this visitor knows of; older copies are passed over.
        """

    def add(self, id: str, payload: bytes, ttl: int, user: str | None = None) -> Record | None:
        """Keep a new record. None where the id is taken."""

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> Record | None:
        """Keep `payload` in place of the record that `token` came with. None where that has been written or deleted
        since. The user of a record never changes."""

    def touch(self, id: str, record: Record, ttl: int) -> None:
        """Let this record live on, from now. A write by somebody else wins."""

    def delete(self, id: str) -> bool:
        """Delete the record. Whether there was one."""

    def close(self) -> None:
        """Close the connections at rest. The next call opens new ones."""


@runtime_checkable
class Locking(Protocol):
    """A store by which one session can be kept to one request at a time."""

    def lock(self, id: str, token: str, ttl: int) -> bool:
        """Take the lock of this session for `ttl` seconds. False where somebody else has it, or the session is gone."""

    def holds(self, id: str, token: str) -> bool:
        """Whether the lock is still this token's: the server's clock may be ahead of this machine's."""

    def unlock(self, id: str, token: str) -> None:
        """Give the lock back, if it is still this token's."""


@runtime_checkable
class Listing(Protocol):
    """A store that finds the sessions of one user."""

    def of(self, user: str) -> list[Listed]:
        """The sessions of `user` whose time is not over."""

    def end(self, user: str, keep: str | None = None) -> int:
        """Delete all sessions of `user`, but for the one with the id `keep`. Returns how many there were."""


@runtime_checkable
class Counting(Protocol):
    """A store that knows how many sessions it holds."""

    def count(self) -> tuple[int, int]:
        """How many sessions there are whose time is not over, and how many whose time is over."""


@runtime_checkable
class Cleaning(Protocol):
    """A store that keeps sessions whose time is over until somebody cleans it."""

    def over(self, before: float) -> int:
        """How many sessions end before this time, seconds since the epoch."""

    def clean(self, before: float, batch: int = 1000) -> Iterator[int]:
        """Delete the sessions that end before this time, in batches, each in a short transaction of its own. Yields how
        many each batch deleted. One whose end has been moved on meanwhile stays."""
