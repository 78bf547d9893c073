"""In memcached: the fastest that all copies can reach. It forgets when it restarts or runs out of room."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from demijohn.errors import MemcachedDownError
from demijohn.memcached import Memcached
from demijohn.shared.base import Entry, Shared
from demijohn.shared.errors import SharedDownError

#: Seconds that an entry lies there past its end, which it bears itself: memcached's clock goes by whole seconds, and
#: may not be ours.
_LONGER = 5


class MemcachedShared(Shared):
    """:param client: the pool of clients."""

    name = "memcached"

    def __init__(self, client: Memcached) -> None:
        self._client = client

    def _find(self, place: str) -> Entry | None:
        value, token = self._ask(self._client.gets, place)
        return None if value is None else _parse(value, token)

    def _insert(self, place: str, new: Entry) -> bool:
        return bool(self._ask(self._client.add, place, _text(new), _ttl(new)))

    def _swap(self, place: str, found: Entry, new: Entry) -> bool:
        return bool(self._ask(self._client.cas, place, _text(new), found.token, _ttl(new)))

    def _write(self, place: str, new: Entry) -> None:
        self._ask(self._client.set, place, _text(new), _ttl(new))

    def _remove(self, place: str) -> bool:
        found = self._find(place)
        return bool(self._ask(self._client.delete, place)) and found is not None and found.left > 0

    def _ask(self, method: Callable[..., Any], place: str, *values: Any) -> Any:
        try:
            return method(b"h:" + place.encode("ascii"), *values)
        except MemcachedDownError as error:
            raise SharedDownError(self.name, error) from error


def _text(entry: Entry) -> bytes:
    return b"%d %d %b" % (entry.ends, entry.stamp, entry.value)


def _parse(text: bytes, token: Any) -> Entry:
    """What was put there; what anybody else has put there is over, and is replaced."""
    try:
        ends, stamp, value = text.split(b" ", 2)
        return Entry(value, int(ends), int(stamp), token)
    except ValueError:
        return Entry(b"", 0, 0, token)


def _ttl(entry: Entry) -> int:
    return max(0, math.ceil(entry.left)) + _LONGER
