"""Files in the memory of this process: for tests, and for a look at a site that has no database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from demijohn.files.content import Incoming
from demijohn.files.stores.base import Found, Kept

_PIECE = 256 * 1024


class MemoryStore:
    """Gone with the process, and unknown to every other one."""

    name = "memory"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, tuple[bytes, int, float]] = {}  # content, uses, time

    def save(self, incoming: Incoming) -> bool:
        content = b"".join(incoming.pieces(_PIECE))
        with self._lock:
            kept, uses, _ = self._files.get(incoming.name, (content, 0, 0.0))
            self._files[incoming.name] = kept, uses + 1, time.time()
        return False

    def find(self, name: str) -> Found | None:
        file = self._files.get(name)
        return None if file is None else Found(len(file[0]), file[0])

    def read(self, found: Found, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, _PIECE):
            yield found.key[at : min(at + _PIECE, stop)]

    def release(self, name: str) -> bool:
        with self._lock:
            file = self._files.pop(name, None)
            if file is not None and file[1] > 1:
                self._files[name] = file[0], file[1] - 1, file[2]
        return file is not None

    def kept(self) -> Iterator[Kept]:
        for name, (content, uses, saved) in sorted(self._files.items()):
            yield Kept(name, len(content), uses, saved)

    def clean(self, before: float) -> int:
        return 0

    def close(self) -> None:
        """Nothing to let go of."""
