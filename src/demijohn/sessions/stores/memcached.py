"""Sessions in memcached alone: fast, and lost when it restarts or runs out of room."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from demijohn.errors import MemcachedDownError, StoreUnavailableError
from demijohn.memcached import LIMIT, Memcached
from demijohn.sessions.stores.base import Record

#: Bytes for what stands before a payload.
HEADER = 64


class MemcachedStore:
    """A payload a key. Writes go by `gets` and `cas`, so that two requests do not undo each other's; the end of the
    session stands before the payload, because memcached does not tell how long a key has left.

    memcached cannot list, so nobody can be signed out everywhere from here.

    :param client: the pool to use. Its prefix keeps two sites apart.
    """

    name = "memcached"
    limit = LIMIT - HEADER
    durable = False
    merges = revokes = True

    def __init__(self, client: Memcached) -> None:
        self._client = client

    @classmethod
    def at(cls, url: str | Sequence[str], **options: Any) -> MemcachedStore:
        """A store with a pool of its own. `url`: servers, as Beaker writes them (`host:port;host:port`) or a list."""
        return cls(open_client(url, **options))

    def read(self, id: str, fence: int = 0) -> Record | None:
        try:
            value, token = self._client.gets(key(id))
        except MemcachedDownError as error:
            raise StoreUnavailableError(self.name, error) from error
        if value is None:
            return None
        text, _, payload = value.partition(b" ")
        try:
            ends = int(text)
        except ValueError:
            return Record(value, token, time.time())  # not ours; whoever decodes it says so
        return Record(payload, token, ends) if ends > time.time() else None

    def add(self, id: str, payload: bytes, ttl: int, user: str | None = None) -> Record | None:
        ends = int(time.time()) + ttl
        with _unavailable():
            kept = self._client.add(key(id), b"%d %b" % (ends, payload), ttl)
        return Record(payload, None, ends) if kept else None

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> Record | None:
        if token is None:
            return None
        ends = int(time.time()) + ttl
        try:
            kept = self._client.cas(key(id), b"%d %b" % (ends, payload), token, ttl)
        except MemcachedDownError as error:
            raise StoreUnavailableError(self.name, error) from error
        return Record(payload, None, ends) if kept else None

    def touch(self, id: str, record: Record, ttl: int) -> None:
        self.replace(id, record.payload, record.token, ttl)

    def delete(self, id: str) -> bool:
        with _unavailable():
            return self._client.delete(key(id))

    def lock(self, id: str, token: str, ttl: int) -> bool:
        with _unavailable():
            # memcached counts whole seconds, the one that has begun too: later rather than earlier.
            return self._client.add(b"l:" + id.encode("ascii"), token.encode(), ttl + 1)

    def holds(self, id: str, token: str) -> bool:
        with _unavailable():
            return self._client.get(b"l:" + id.encode("ascii")) == token.encode()

    def unlock(self, id: str, token: str) -> None:
        with _unavailable():
            self._client.release(b"l:" + id.encode("ascii"), token.encode())

    def close(self) -> None:
        self._client.close()


def key(id: str) -> bytes:
    return b"s:" + id.encode("ascii")


def open_client(url: str | Sequence[str], **options: Any) -> Memcached:
    """A pool of clients.

    :param url: servers, as Beaker writes them (`host:port;host:port`) or a list; `user:password@` may stand before one.
    :raises ValueError: it is not that. The message does not hold any of it.
    """
    from demijohn.config import addresses

    words = re.split(r"[;,\s]+", url.strip()) if isinstance(url, str) else url
    servers = [addresses.split(addresses.read(word)) for word in words if word]
    for username, password, _ in servers:
        if username:
            options |= {"username": username, "password": password}
    return Memcached([address for _, _, address in servers], **options)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except MemcachedDownError as error:
        raise StoreUnavailableError(MemcachedStore.name, error) from error
