"""One request at a time inside a session. The lock lies in the session's store, never in a file."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from demijohn.errors import LockLostError, SessionLockedError, StoreCannotError, StoreUnavailableError
from demijohn.sessions.kept import tell
from demijohn.sessions.stores import LISTING
from demijohn.sessions.stores.base import FRESH, Locking, Store

#: Seconds between two looks at a lock that somebody else has: the first, and the longest.
_SOON, _LATE = 0.005, 0.1


class Lock:
    """A lock that has been taken.

    :param life: seconds.
    :param holds: asks the store whether it is still held.
    """

    def __init__(self, life: int, holds: Callable[[], bool] = lambda: True) -> None:
        self._life = life
        self._until = time.monotonic() + life
        self._holds = holds

    def check(self) -> None:
        """:raises LockLostError: its time is over, and somebody else may have taken it."""
        if time.monotonic() >= self._until or not self._holds():
            raise LockLostError(self._life)


@contextmanager
def hold(store: Store, id: str | None, wait: float, life: int) -> Iterator[Lock]:
    """Hold the lock of the session `id`; None: a session that nobody else can know yet.

    :raises StoreCannotError: the store has no locks.
    :raises SessionLockedError: others have held it for `wait` seconds.
    """
    if not isinstance(store, Locking):
        raise StoreCannotError(store.name, "lock a session", (*LISTING, "memcached"))
    if wait < 0 or life < 1:
        raise ValueError(f"session.lock(wait={wait!r}, life={life!r}): wait is at least 0 s, life at least 1 s.")
    token = secrets.token_urlsafe(12)
    lock = None if id is None else _take(store, id, token, wait, life)
    if id is None or lock is None:
        yield Lock(life)
        return
    try:
        yield lock
    finally:
        try:
            store.unlock(id, token)
        except StoreUnavailableError as error:
            tell(error)  # it ends by itself


def _take(store: Store, id: str, token: str, wait: float, life: int) -> Lock | None:
    """Wait for the lock. None where the session has ended meanwhile: what takes its place is new."""
    assert isinstance(store, Locking)
    deadline = time.monotonic() + wait
    pause = _SOON
    while True:
        # Begun before it is asked for, so that it ends here before it ends there. A session that has ended meanwhile
        # has no lock any more, and nobody who could take it.
        lock = Lock(life, lambda: store.holds(id, token) or store.read(id, FRESH) is None)
        if store.lock(id, token, life):
            return lock
        if store.read(id, FRESH) is None:
            return None
        if time.monotonic() >= deadline:
            raise SessionLockedError(wait)
        # Not in step with the others that wait.
        time.sleep(min(pause * random.uniform(0.5, 1), max(deadline - time.monotonic(), 0)))  # noqa: S311
        pause = min(pause * 2, _LATE)
