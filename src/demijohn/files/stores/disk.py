"""Files in a folder, for those who have a disk that is kept and that all copies of the site see.

Each saving is a copy of its own, `ab/NAME~TOKEN`, so that counting needs no lock: a name is there as long as one of its
copies is. Being written it is called `half-TOKEN`; renamed, it is whole.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import BinaryIO

from demijohn.files.content import Incoming, is_name
from demijohn.files.errors import FilesDownError, NoFileError
from demijohn.files.stores.base import Found, Kept, token
from demijohn.outage import Outage

log = logging.getLogger("demijohn.files")

_PIECE = 256 * 1024
_HALF = "half-"


class DiskStore:
    """:param folder: made at the first file."""

    name = "disk"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)
        self._outage = Outage(f"The folder {self._folder}", log)

    def save(self, incoming: Incoming) -> bool:
        mark = token()
        half = os.path.join(self._folder, _HALF + mark)
        try:
            with self._faults():
                os.makedirs(self._folder, exist_ok=True)
                file = open(half, "xb")  # noqa: SIM115 - closed below
            with file:
                for piece in incoming.pieces(_PIECE):
                    self._write(file, piece)
                with self._faults():
                    file.flush()
                    os.fsync(file.fileno())
            with self._faults():
                place = self._place(incoming.name)
                os.makedirs(place, exist_ok=True)
                os.rename(half, os.path.join(place, f"{incoming.name}~{mark}"))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(half)
            raise
        return False

    def find(self, name: str) -> Found | None:
        with self._faults():
            for entry in self._copies(name):
                with contextlib.suppress(FileNotFoundError):
                    return Found(entry.stat().st_size, entry.path)
        return None

    def read(self, found: Found, start: int, stop: int) -> Iterator[bytes]:
        try:
            with open(found.key, "rb") as file:
                file.seek(start)
                while start < stop:
                    piece = file.read(min(_PIECE, stop - start))
                    if not piece:  # somebody has cut it off, and waiting for the rest would never end
                        raise self._failed(f"{found.key} is shorter than it was")
                    start += len(piece)
                    yield piece
        except FileNotFoundError:
            raise NoFileError(os.path.basename(found.key)) from None
        except OSError as error:
            raise self._failed(error) from error

    def release(self, name: str) -> bool:
        with self._faults():
            for entry in self._copies(name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.path)
                    return True
        return False

    def kept(self) -> Iterator[Kept]:
        with self._faults():
            for folder in sorted(entry.path for entry in _entries(self._folder) if entry.is_dir()):
                copies: dict[str, list[os.stat_result]] = {}
                for entry in _entries(folder):
                    name = entry.name.partition("~")[0]
                    if is_name(name):
                        copies.setdefault(name, []).append(entry.stat())
                for name, stats in sorted(copies.items()):
                    yield Kept(name, stats[0].st_size, len(stats), max(stat.st_mtime for stat in stats))

    def clean(self, before: float) -> int:
        count = 0
        with self._faults():
            for entry in _entries(self._folder):
                if entry.name.startswith(_HALF) and entry.stat().st_mtime < before:
                    os.unlink(entry.path)
                    count += 1
        return count

    def close(self) -> None:
        """Nothing to let go of."""

    def _place(self, name: str) -> str:
        """The folder of a file: some file systems are slow with many in one."""
        return os.path.join(self._folder, name.partition(".")[0][-2:])

    def _copies(self, name: str) -> Iterator[os.DirEntry[str]]:
        return (entry for entry in _entries(self._place(name)) if entry.name.startswith(f"{name}~"))

    def _write(self, file: BinaryIO, piece: bytes) -> None:
        with self._faults():
            file.write(piece)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """The disk's own errors, and not those of whoever sends the file."""
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error
        if self._outage.down:
            self._outage.over()

    def _failed(self, error: OSError | str) -> FilesDownError:
        """What the visitor is told, after the log was told why. The disk is asked again by the next who wants it."""
        self._outage.failed(error)
        return FilesDownError(self.name, error)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
