"""A static file: what it holds, and the same packed in each content coding. All is found out at the first request that
wants to know, and kept in memory as far as there is room."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from demijohn.static.codings import IDENTITY, SUFFIXES, packer
from demijohn.static.names import VERSION
from demijohn.static.types import content_type, may_shrink

SMALL = 256 * 1024  # bytes; up to here a file is kept in memory once it was asked for
PIECE = 1024 * 1024  # bytes of a larger file that are hashed at a time
#: Bytes; larger files are sent as they are: packing one would keep its visitor waiting.
LARGEST_PACKED = 2 * 1024 * 1024
#: What has to be saved for a packed file to be sent in the place of the plain one: so many bytes, and so much of it.
SAVES, PART = 200, 0.1
#: Bytes that all files together take in memory. Past it they are read from the disk again and again.
ROOM = 32 * 1024 * 1024
#: Before this there was no web. App Engine, buildpacks and reproducible archives date every file to 1980 or 1970, which
#: says nothing about when it changed.
FIRST_DATE = 662688000  # 1991-01-01
Stamp = tuple[int, int]


class Known(NamedTuple):
    """What a bundle knows of a file before it is read."""

    size: int  # bytes
    digest: str
    #: The codings in which it lies beside itself.
    packed: tuple[str, ...]


def read_table(path: str | os.PathLike[str]) -> dict[str, Known]:
    """What `demijohn bundle` has found out about the files; nothing where this is no bundle."""
    try:
        with open(path, "rb") as file:
            return {
                name: Known(size, digest, tuple(packed)) for name, (size, digest, packed) in json.load(file).items()
            }
    except (OSError, ValueError, TypeError):
        return {}


class Room:
    """How many bytes may still be kept in memory."""

    def __init__(self, size: int = ROOM) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Whether there is room for so many; if so, they are taken. Threads may take a little more than there is."""
        if size > self.left:
            return False
        self.left -= size
        return True


class Body(NamedTuple):
    """The bytes that are sent, in one coding."""

    coding: str
    etag: str
    size: int  # bytes
    data: bytes | None  # None: they lie at `path`
    path: str | None


class Content:
    """What a file held when it was read.

    :param data: its bytes; None: they lie at `path`, and are read from there each time.
    :param modified: seconds since the epoch; None where nothing says when it changed.
    """

    def __init__(
        self,
        name: str,
        data: bytes | None,
        size: int,
        digest: str,
        path: str | None = None,
        modified: int | None = None,
    ) -> None:
        self.version = digest[:VERSION]
        self.digest = digest
        self.modified = modified
        self.kind = content_type(name)
        #: Whether what is sent depends on what codings the visitor takes.
        self.shrinks = may_shrink(self.kind) and SAVES < size <= LARGEST_PACKED
        self.plain = Body(IDENTITY, f'"{digest}"', size, data, path)
        self._packed: dict[str, Body | None] = {}
        #: Those that are not smaller, for visitors who refuse the plain bytes.
        self._forced: dict[str, Body | None] = {}

    @functools.cached_property
    def integrity(self) -> str:
        """The content as the attribute `integrity` names it: that of the plain bytes, in whatever coding they come.

        :raises OSError: it cannot be read.
        """
        digest = hashlib.sha384()
        for piece in self._pieces():
            digest.update(piece)
        return f"sha384-{b64encode(digest.digest()).decode()}"

    def _pieces(self) -> Iterator[bytes]:
        if self.plain.data is not None:
            yield self.plain.data
            return
        assert self.plain.path is not None
        with open(self.plain.path, "rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")

    def body(self, codings: Iterable[str], room: Room) -> Body | None:
        """What to send to a visitor who takes these codings, the best first; None: there is nothing in any of them."""
        codings = tuple(codings)
        for coding in codings:
            body = self.plain if coding == IDENTITY else self.packed(coding, room)
            if body is not None:
                return body
        # Who refuses the plain bytes is given packed ones, even if that saves nothing.
        return next((body for coding in codings if (body := self.packed(coding, room, always=True)) is not None), None)

    def packed(self, coding: str, room: Room, always: bool = False) -> Body | None:
        """The same in this coding; None where it would not be smaller.

        :param always: even if it is not, but only if it is small: no browser asks for that, and who does must not be
            able to fill the memory and keep the processor busy.
        """
        known = self._forced if always else self._packed
        if coding not in known:
            wanted = self.plain.size <= SMALL if always else self.shrinks
            body = self._pack(coding, always) if wanted else None
            if coding not in known:  # of threads that did the same at once, one takes room for it
                known[coding] = body if body is not None and room.take(body.size) else None
        return known[coding]

    def take(self, coding: str, path: str, room: Room) -> None:
        """Take what lies at `path` for the same in this coding.

        :raises OSError: it cannot be read.
        """
        with open(path, "rb") as file:
            data = file.read()
        body = Body(coding, f'"{digest_of([data])}"', len(data), data, path)
        keeps = len(data) <= SMALL and room.take(len(data))
        self._packed[coding] = body if keeps else body._replace(data=None)
        self.shrinks = True

    def _pack(self, coding: str, always: bool) -> Body | None:
        pack, size = packer(coding), self.plain.size
        if pack is None or size > LARGEST_PACKED:
            return None
        data = self.plain.data
        if data is None:
            assert self.plain.path is not None
            with open(self.plain.path, "rb") as file:
                data = file.read()
        packed = pack(data)
        if not always and not is_smaller(len(packed), size):
            return None
        return Body(coding, f'"{digest_of([packed])}"', len(packed), packed, None)


def is_smaller(packed: int, size: int) -> bool:
    """Whether so many bytes instead of `size` are worth it."""
    return size - packed >= max(SAVES, PART * size)


class File:
    """A file in the table. It is read, and hashed, when it is first asked for."""

    __slots__ = ("_content", "_stamp", "known", "name", "path", "room")

    def __init__(self, name: str, path: str, room: Room, known: Known | None = None) -> None:
        self.name = name
        self.path = path
        self.room = room
        self.known = known
        self._stamp: Stamp | None = None
        self._content: Content | None = None

    def content(self, look: bool = False) -> Content:
        """What is in it. A file that is not kept in memory is looked at again whether it is the same.

        :param look: look at any file again: in development.
        :raises OSError: it cannot be read.
        """
        content = self._content
        if content is None or ((look or content.plain.data is None) and _stamp_of(os.stat(self.path)) != self._stamp):
            content = self._content = self._read()
        return content

    def _read(self) -> Content:
        with open(self.path, "rb") as file:
            stat = os.fstat(file.fileno())
            size, data = stat.st_size, None
            if size <= SMALL and self.room.take(size):
                data = file.read()
                size = len(data)
                digest = digest_of([data])
            else:
                digest = digest_of(iter(lambda: file.read(PIECE), b""))
        self._stamp = _stamp_of(stat)
        # A date to come is none (RFC 9110 section 8.8.2.1).
        modified = min(int(stat.st_mtime), int(time.time())) if stat.st_mtime > FIRST_DATE else None
        content = Content(self.name, data, size, digest, self.path, modified)
        if self.known is not None and self.known.digest == digest:
            for coding in self.known.packed:
                try:
                    content.take(coding, f"{self.path}{SUFFIXES[coding]}", self.room)
                except OSError:
                    continue  # it has gone: then it is packed here
        return content


def _stamp_of(stat: os.stat_result) -> Stamp:
    return stat.st_mtime_ns, stat.st_size


def digest_of(pieces: Iterable[bytes]) -> str:
    """By what the content of a file is told from another."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
