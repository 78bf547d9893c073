"""The stores as backends of Beaker itself, for those who keep its own middleware:

    SessionMiddleware(app, {"session.type": "demijohn.memcached", "session.url": "127.0.0.1:11211", "session.timeout":
    600})

Records then expire and are deleted for real. Merging, rotation and the refusal of unknown ids belong to
`demijohn.sessions.SessionMiddleware`, which takes the same options.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from beaker.container import NamespaceManager
from beaker.exceptions import MissingCacheParameter

from demijohn.sessions.stores import Store, open_store

#: Seconds, where Beaker is given no timeout: thirty days.
_TTL = 30 * 24 * 3600


@lru_cache(maxsize=32)
def _store(kind: str, url: str) -> Store:
    return open_store(kind, url)


class _Namespace(NamespaceManager):
    """Beaker makes one of these a session; it asks for the key `session` only."""

    kind: str

    def __init__(self, namespace: str, url: str | None = None, timeout: int | None = None, **_ignored: Any) -> None:
        super().__init__(namespace)
        if not url:
            raise MissingCacheParameter(f"demijohn.{self.kind} needs session.url")
        self._store = _store(self.kind, url)
        self._ttl = timeout or _TTL
        # Beaker adopts any id that a visitor sends. One of another shape never reaches a server.
        self._id = f"beaker-{namespace}" if re.fullmatch(r"[0-9a-f]{32}", namespace) else None

    def __getitem__(self, key: str) -> str:
        record = None if self._id is None else self._store.read(self._id)
        if record is None:
            raise KeyError(key)
        return record.payload.decode()

    def __contains__(self, key: str) -> bool:
        return self._id is not None and self._store.read(self._id) is not None

    def __setitem__(self, key: str, value: str | bytes) -> None:
        if self._id is None:
            raise ValueError("This session id was not made by Beaker, so it is not kept.")
        payload = value if isinstance(value, bytes) else value.encode()
        while not self._store.add(self._id, payload, self._ttl):
            record = self._store.read(self._id)
            if record is not None and self._store.replace(self._id, payload, record.token, self._ttl):
                break

    def set_value(self, key: str, value: str | bytes, expiretime: float | None = None) -> None:
        self[key] = value

    def __delitem__(self, key: str) -> None:
        if self._id is not None:
            self._store.delete(self._id)

    def do_remove(self) -> None:
        del self["session"]

    def keys(self) -> list[str]:
        return ["session"] if "session" in self else []


class SqlNamespace(_Namespace):
    kind = "sql"


class MemcachedNamespace(_Namespace):
    kind = "memcached"
