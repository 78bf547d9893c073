"""In the memory of one process: for tests, and where there is nothing that the copies of a site could share."""

from __future__ import annotations

import threading

from demijohn.forks import in_child, new_lock
from demijohn.shared.base import Entry, Shared

#: Entries above which those that are over are looked for.
_MANY = 1000
#: Entries that are kept at the most, some 10 MB of them; beyond, those go that would end first. Who counts visitors by
#: their addresses has as many as somebody can come from.
_MOST = 20_000


class MemoryShared(Shared):
    name = "the memory of this process"

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._many = _MANY
        self._lock = threading.Lock()
        in_child(self, new_lock("_lock"))

    def _find(self, place: str) -> Entry | None:
        return self._entries.get(place)

    def _insert(self, place: str, new: Entry) -> bool:
        with self._lock:
            if place in self._entries:
                return False
            self._keep(place, new)
            return True

    def _swap(self, place: str, found: Entry, new: Entry) -> bool:
        with self._lock:
            if self._entries.get(place) is not found:
                return False
            self._entries[place] = new
            return True

    def _write(self, place: str, new: Entry) -> None:
        with self._lock:
            self._keep(place, new)

    def _remove(self, place: str) -> bool:
        with self._lock:
            found = self._entries.pop(place, None)
        return found is not None and found.left > 0

    def _keep(self, place: str, new: Entry) -> None:
        entries = self._entries
        entries[place] = new
        if len(entries) > self._many:
            for other in [name for name, entry in entries.items() if entry.left <= 0]:
                del entries[other]
            if len(entries) > _MOST:
                for other in sorted(entries, key=lambda name: entries[name].ends)[: len(entries) - _MOST // 2]:
                    del entries[other]
            self._many = min(max(_MANY, 2 * len(entries)), _MOST)
