"""Where a dump goes and where it comes from: a file or a pipe, packed or not."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from demijohn.errors import DataError

#: No room, no room for this user, too large a file, and a disk that fails.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def written(name: str) -> Iterator[IO[str]]:
    """A text file of this name, for its owner only. It is there when it is whole: until then what was there before
    stays, and a dump that fails leaves nothing."""
    if name == "-":
        try:
            yield _text(sys.stdout.buffer)
        except OSError as error:
            # Else Python complains as it ends, for it cannot get rid of the rest.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if error.errno not in _FULL:
                raise
            raise DataError(f"The dump cannot be written: {error.strerror}.") from error
        return
    path = Path(name)
    special = path.exists() and not stat.S_ISREG(path.stat().st_mode)  # a pipe, /dev/null
    part = path if special else path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | (0 if special else os.O_TRUNC), 0o600)
    except OSError as error:
        raise DataError(f"{part} cannot be written: {error.strerror}.") from error
    try:
        with open(descriptor, "wb") as raw:
            if not special:
                os.fchmod(raw.fileno(), 0o600)
            packed: Any = gzip.GzipFile("", "wb", 6, raw, mtime=0) if name.endswith(".gz") else raw
            text = _text(packed)
            yield text
            text.detach()  # flushed
            if packed is not raw:
                packed.close()
        if not special:
            part.replace(path)
    except BaseException as error:
        if not special:
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise DataError(f"{part} cannot be written: {error.strerror}.") from error
        raise


class Incoming:
    """The lines of a dump, and how far it has been read."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        state = os.fstat(raw.fileno())
        #: Bytes; 0: nobody knows.
        self.size = state.st_size if stat.S_ISREG(state.st_mode) else 0
        self.lines = _lines(raw)
        self._at = 0

    def advanced(self) -> int:
        """The bytes read since it was asked last."""
        before = self._at
        if self.size:
            self._at = self._raw.tell()
        return self._at - before


@contextlib.contextmanager
def incoming(name: str) -> Iterator[Incoming]:
    """The dump of this name; `-`: what comes in by stdin."""
    if name == "-":
        yield Incoming(sys.stdin.buffer)
        return
    try:
        raw = open(name, "rb")  # noqa: SIM115
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error
    with raw:
        yield Incoming(raw)


def _lines(raw: Any) -> Iterator[str]:
    packed = raw.peek(2)[:2] == b"\x1f\x8b"
    source: Any = gzip.GzipFile(fileobj=raw) if packed else raw
    # Lines end at \n only, whatever other breaks Unicode has.
    return io.TextIOWrapper(source, "utf-8", "surrogatepass", newline="\n")


def _text(raw: Any) -> io.TextIOWrapper:
    # A text may hold half of a surrogate pair, where it came from a browser in such a state; it must not stop a backup.
    return io.TextIOWrapper(raw, "utf-8", "surrogatepass", newline="\n", write_through=False)
