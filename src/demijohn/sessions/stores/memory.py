"""Sessions in the memory of one process: for tests, and for trying things out. A restart loses them."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from demijohn.sessions.stores.base import Listed, Record


class _Row(NamedTuple):
    payload: bytes
    version: int
    ends: float
    user: str | None


class MemoryStore:
    name = "memory"
    limit = 1_000_000
    durable = False
    merges = revokes = True

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._locks: dict[str, tuple[str, float]] = {}  # id: token, when it ends (monotonic seconds)

    def read(self, id: str, fence: int = 0) -> Record | None:
        with self._guard:
            row = self._alive(id)
            return None if row is None else Record(row.payload, row.version, row.ends)

    def add(self, id: str, payload: bytes, ttl: int, user: str | None = None) -> Record | None:
        with self._guard:
            if self._alive(id) is not None:
                return None
            return self._put(id, _Row(payload, 1, int(time.time()) + ttl, user))

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> Record | None:
        with self._guard:
            row = self._alive(id)
            if row is None or row.version != token:
                return None
            return self._put(id, _Row(payload, row.version + 1, int(time.time()) + ttl, row.user))

    def touch(self, id: str, record: Record, ttl: int) -> None:
        with self._guard:
            row = self._alive(id)
            if row is not None and row.version == record.token:
                self._put(id, row._replace(ends=int(time.time()) + ttl))

    def delete(self, id: str) -> bool:
        with self._guard:
            found = self._alive(id) is not None
            self._rows.pop(id, None)
            return found

    def lock(self, id: str, token: str, ttl: int) -> bool:
        with self._guard:
            now = time.monotonic()
            if self._alive(id) is None or self._locks.get(id, ("", 0.0))[1] > now:
                return False
            self._locks[id] = (token, now + ttl)
            return True

    def holds(self, id: str, token: str) -> bool:
        with self._guard:
            holder, until = self._locks.get(id, ("", 0.0))
            return holder == token and until > time.monotonic()

    def unlock(self, id: str, token: str) -> None:
        with self._guard:
            if self._locks.get(id, ("", 0.0))[0] == token:
                del self._locks[id]

    def of(self, user: str) -> list[Listed]:
        with self._guard:
            alive = [id for id in list(self._rows) if self._rows[id].user == user and self._alive(id) is not None]
            return [Listed(id, self._rows[id].payload, self._rows[id].ends) for id in alive]

    def end(self, user: str, keep: str | None = None) -> int:
        return sum(self.delete(listed.id) for listed in self.of(user) if listed.id != keep)

    def count(self) -> tuple[int, int]:
        with self._guard:
            over = sum(row.ends <= time.time() for row in self._rows.values())
            return len(self._rows) - over, over

    def close(self) -> None:
        """Nothing to close."""

    def _put(self, id: str, row: _Row) -> Record:
        self._rows[id] = row
        return Record(row.payload, row.version, row.ends)

    def _alive(self, id: str) -> _Row | None:
        row = self._rows.get(id)
        if row is not None and row.ends <= time.time():
            del self._rows[id]
            self._locks.pop(id, None)
            return None
        return row
