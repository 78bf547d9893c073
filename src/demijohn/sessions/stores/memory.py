"""Sessions in the memory of one process: for tests, and for trying things out. A restart loses them."""

from __future__ import annotations

import threading
import time
from typing import Any

from demijohn.sessions.stores.base import Record


class MemoryStore:
    name = "memory"
    limit = 1_000_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[bytes, int, float]] = {}  # id: payload, version, end of life (monotonic seconds)

    def read(self, id: str) -> Record | None:
        with self._lock:
            row = self._alive(id)
            return None if row is None else Record(row[0], row[1])

    def add(self, id: str, payload: bytes, ttl: int) -> bool:
        with self._lock:
            if self._alive(id) is not None:
                return False
            self._rows[id] = (payload, 1, time.monotonic() + ttl)
            return True

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> bool:
        with self._lock:
            row = self._alive(id)
            if row is None or row[1] != token:
                return False
            self._rows[id] = (payload, row[1] + 1, time.monotonic() + ttl)
            return True

    def touch(self, id: str, payload: bytes, token: Any, ttl: int) -> None:
        self.replace(id, payload, token, ttl)

    def delete(self, id: str) -> None:
        with self._lock:
            self._rows.pop(id, None)

    def close(self) -> None:
        """Nothing to close."""

    def _alive(self, id: str) -> tuple[bytes, int, float] | None:
        row = self._rows.get(id)
        if row is not None and row[2] < time.monotonic():
            del self._rows[id]
            return None
        return row
