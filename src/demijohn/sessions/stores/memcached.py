"""Sessions in memcached alone: fast, and lost when it restarts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from demijohn.errors import MemcachedDownError, StoreUnavailableError
from demijohn.memcached import LIMIT, Memcached
from demijohn.sessions.stores.base import Record


class MemcachedStore:
    """A payload a key. Writes go by `gets` and `cas`, so that two requests do not undo each other's; the time of use is
    in the payload, because memcached does not tell how long a key has left.

    :param client: the pool to use. Its prefix keeps two sites apart.
    """

    name = "memcached"
    limit = LIMIT

    def __init__(self, client: Memcached) -> None:
        self._client = client

    @classmethod
    def at(cls, url: str | Sequence[str], **options: Any) -> MemcachedStore:
        """A store with a pool of its own. `url`: servers, as Beaker writes them (`host:port;host:port`) or a list."""
        servers = re.split(r"[;,\s]+", url.strip()) if isinstance(url, str) else list(url)
        return cls(Memcached([s.removeprefix("memcached://").rstrip("/") for s in servers if s], **options))

    def read(self, id: str) -> Record | None:
        try:
            payload, token = self._client.gets(_key(id))
        except MemcachedDownError as error:
            raise StoreUnavailableError(self.name, error) from error
        return None if payload is None else Record(payload, token)

    def add(self, id: str, payload: bytes, ttl: int) -> bool:
        try:
            return self._client.add(_key(id), payload, ttl)
        except MemcachedDownError as error:
            raise StoreUnavailableError(self.name, error) from error

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> bool:
        try:
            return self._client.cas(_key(id), payload, token, ttl)
        except MemcachedDownError as error:
            raise StoreUnavailableError(self.name, error) from error

    def touch(self, id: str, payload: bytes, token: Any, ttl: int) -> None:
        self.replace(id, payload, token, ttl)

    def delete(self, id: str) -> None:
        try:
            self._client.delete(_key(id))
        except MemcachedDownError as error:
            raise StoreUnavailableError(self.name, error) from error

    def close(self) -> None:
        self._client.close()


def _key(id: str) -> bytes:
    return b"s:" + id.encode("ascii")
