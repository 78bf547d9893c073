"""What a session store is asked to do."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Record(NamedTuple):
    """A session as its store has it."""

    payload: bytes
    #: Given back to `replace`: says which write this was.
    token: Any
    #: When its time is over, seconds since the epoch, where the store knows that.
    ends: float | None = None


class Store(Protocol):
    """Keeps payloads under ids, each for a time. Every method may raise `StoreUnavailableError`; none ever takes a
    store that is down for one that is empty.

    `ttl` is in seconds.
    """

    #: As it is written in `session.type`.
    name: str
    #: Bytes that a payload may take.
    limit: int

    def read(self, id: str) -> Record | None:
        """The record, or None where there is none or its time is over."""

    def add(self, id: str, payload: bytes, ttl: int) -> bool:
        """Keep a new record. False where the id is taken."""

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> bool:
        """Keep `payload` in place of the record that `token` came with. False where that has been written or deleted
        since."""

    def touch(self, id: str, payload: bytes, token: Any, ttl: int) -> None:
        """Let the record live on. `payload` is the same data with a newer time of use, for stores that must write it.
        A write by somebody else wins."""

    def delete(self, id: str) -> None:
        """Delete the record, if there is one."""

    def close(self) -> None:
        """Close the connections at rest. The next call opens new ones."""
