"""Bodies under uWSGI, whose own readers wait for as much as they were asked for, and begin their patience anew with
every byte. Here they are asked for what is there."""

from __future__ import annotations

import array
import fcntl
import importlib
import termios
import time
from collections.abc import Callable
from typing import Any

from demijohn.bodies.pace import Pace

#: Bytes that are asked for where none may be there: uWSGI has read some of the body with the head, and does not say how
#: many. Each is waited for as long as its `socket-timeout` says, 4 s.
_BLIND = 8
_NOTICED = 0.02  # seconds: a read that takes longer has waited for the visitor


def reader(stream: Any, pace: Pace) -> Callable[[int], bytes]:
    """A function that reads at most so many bytes, and none at the end. It raises TooSlow when the time is over."""
    if "post-buffering" in importlib.import_module("uwsgi").opt:
        return stream.read  # type: ignore[no-any-return]  # it has the whole body already
    descriptor = stream.fileno()
    waits = False  # whether uWSGI has no more than what is still to come

    def read(size: int) -> bytes:
        nonlocal waits
        if waits:
            pace.wait(descriptor)
            return stream.read(min(size, _arrived(descriptor) or 1))  # type: ignore[no-any-return]
        pieces = bytearray()
        while len(pieces) < size and not waits:
            began = time.monotonic()
            try:
                piece = stream.read(min(size - len(pieces), _arrived(descriptor) or _BLIND))
            except OSError:
                if time.monotonic() - began < _NOTICED:
                    raise
                waits = True  # its own patience is over
                return bytes(pieces) or read(size)
            waits = time.monotonic() - began > _NOTICED
            if not piece:
                break
            pieces += piece
        return bytes(pieces)

    return read


def chunk_reader(descriptor: int, pace: Pace) -> Callable[[], bytes]:
    """A function that reads a chunk, and none at the end. It raises TooSlow when the time is over."""
    uwsgi = importlib.import_module("uwsgi")

    def read() -> bytes:
        while (piece := uwsgi.chunked_read_nb()) is None:
            pace.wait(descriptor)
        return piece  # type: ignore[no-any-return]

    return read


def _arrived(descriptor: int) -> int:
    """How many bytes have come and were not read."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
