"""A stand-in for the pylibmc of Sina App Engine: it finds the servers by itself, whatever servers it is given.

It speaks to a real memcached, at STANDIN_MEMCACHED, through the pymemcache that the site carries along. What the real
one raises, and gives back for a miss, is from pylibmc 1.6's reference.
"""

from __future__ import annotations

import os
from typing import Any

support_sasl = False


class Error(Exception):
    pass


class ServerError(Error):
    pass


class ClientError(Error):
    pass


class TooBig(Error):
    pass


class NotFound(Error):
    pass


class Client:
    def __init__(self, servers: Any = None, **options: Any) -> None:
        from pymemcache.client.base import Client as Carried  # found only when the site has put it on Python's path

        host, _, port = os.environ["STANDIN_MEMCACHED"].rpartition(":")
        self._carried: Any = Carried((host, int(port)), default_noreply=False)

    def deserialize(self, value: bytes, flags: int) -> Any:
        return value

    def get(self, key: bytes) -> Any:
        value = self._carried.get(key)
        return None if value is None else self.deserialize(value, 0)

    def gets(self, key: bytes) -> Any:
        value, token = self._carried.gets(key)
        return (None, None) if value is None else (self.deserialize(value, 0), token)

    def set(self, key: bytes, value: bytes, time: int = 0) -> bool:
        return bool(self._carried.set(key, value, time))

    def add(self, key: bytes, value: bytes, time: int = 0) -> bool:
        return bool(self._carried.add(key, value, time))

    def cas(self, key: bytes, value: bytes, cas: Any, time: int = 0) -> bool:
        stored = self._carried.cas(key, value, cas, time)
        if stored is None:
            raise NotFound(key)
        return bool(stored)

    def delete(self, key: bytes) -> bool:
        return bool(self._carried.delete(key))

    def disconnect_all(self) -> None:
        self._carried.close()
