"""What is shared, whatever keeps it.

A store can do five plain things, of which two must be atomic: put something where there is nothing, and put something
in the place of what was read. All else is made of them here, alike for every store: memcached's own counter knows no
exact end, and SQL's is another on each database.
"""

from __future__ import annotations

import random
import secrets
import time
from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Any, NamedTuple

from demijohn.shared.errors import SharedDownError, SharedTooLargeError

#: Bytes of a value.
LIMIT = 999_000
#: How often a change is tried that others were quicker with each time.
TRIES = 500


class Entry(NamedTuple):
    """What a store holds in one place."""

    value: bytes
    #: Milliseconds since the epoch.
    ends: int
    #: Another one for each write, so that who wrote it knows it again.
    stamp: int
    #: What else the store needs to have it replaced.
    token: Any = None

    @property
    def left(self) -> float:
        """Seconds that it has yet; none or less: it is over."""
        return self.ends / 1000 - time.time()


class Shared(ABC):
    """What all copies of the site share. Keys are any text; values are bytes, at most `LIMIT` of them; times are
    seconds, exact to the clocks of the machines. Each method raises `SharedDownError` if the store does not answer."""

    #: Where it is kept, in words.
    name: str
    #: Whether it outlives a restart of what keeps it, and is never dropped before its time.
    durable = False

    def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None."""
        found = self.look(key)
        return None if found is None else found.value

    def look(self, key: str) -> Entry | None:
        """As `get`, with how long it has yet: `look(key).left`."""
        found = self._find(_place(key))
        return None if found is None or found.left <= 0 else found

    def counted(self, key: str) -> int:
        """How far `count` has come; 0 where nothing is counted, or the time is over."""
        return int(self.get(key) or 0)

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep `value` for so long, in place of what there was.

        :raises SharedTooLargeError: it is larger than `LIMIT`.
        """
        self._write(_place(key), _entry(value, seconds))

    def add(self, key: str, value: bytes, seconds: float) -> bool:
        """Keep `value` if there is nothing yet. Of all that try at the same time one is told True. Raises as `put`."""
        place, new = _place(key), _entry(value, seconds)
        for number in range(TRIES):
            found = self._find(place)
            if found is not None and found.left > 0:
                return found.stamp == new.stamp  # ours: it was kept, and the answer was lost
            if self._change(place, found, new):
                return True
            pause(number)
        raise SharedDownError(self.name, "others were quicker each time")

    def count(self, key: str, seconds: float, by: int = 1) -> int:
        """Raise the count by `by`; how far it has come. The first one begins the time, at whose end it is 0 again. No
        two that count at the same time are told the same.

        :raises ValueError: something other than a count is kept under `key`.
        """
        place, stamp = _place(key), _stamp()
        for number in range(TRIES):
            found = self._find(place)
            if found is None or found.left <= 0:
                new = _entry(b"%d" % by, seconds)._replace(stamp=stamp)
            elif found.stamp == stamp:
                return int(found.value)
            else:
                new = found._replace(value=b"%d" % (int(found.value) + by), stamp=stamp)
            if self._change(place, found, new):
                return int(new.value)
            pause(number)
        raise SharedDownError(self.name, "others were quicker each time")

    def delete(self, key: str) -> bool:
        """Forget it. Whether there was something."""
        return self._remove(_place(key))

    def _change(self, place: str, found: Entry | None, new: Entry) -> bool:
        return self._insert(place, new) if found is None else self._swap(place, found, new)

    # A store's side. A place is 32 letters and digits.

    @abstractmethod
    def _find(self, place: str) -> Entry | None:
        """What is there, even if it is over. Not what was there a moment ago."""

    @abstractmethod
    def _insert(self, place: str, new: Entry) -> bool:
        """Put it there, if nothing is. Whether that was so."""

    @abstractmethod
    def _swap(self, place: str, found: Entry, new: Entry) -> bool:
        """Put it in the place of `found`, if that is still there. Whether that was so."""

    @abstractmethod
    def _write(self, place: str, new: Entry) -> None:
        """Put it there, whatever there is."""

    @abstractmethod
    def _remove(self, place: str) -> bool:
        """Leave nothing there. Whether there was something that is not over."""


def _entry(value: bytes, seconds: float) -> Entry:
    if len(value) > LIMIT:
        raise SharedTooLargeError(len(value), LIMIT)
    return Entry(value, int((time.time() + seconds) * 1000), _stamp())


def _stamp() -> int:
    return secrets.randbits(62)


def _place(key: str) -> str:
    """A digest: any text may be a key, and none says in the store whose address it was."""
    return blake2b(key.encode("utf8", "surrogatepass"), digest_size=16).hexdigest()


def pause(number: int) -> None:
    """Let the others through, the longer the more often they were quicker."""
    if number > 1:
        time.sleep(random.uniform(0, 0.001 * min(number, 20)))  # noqa: S311
