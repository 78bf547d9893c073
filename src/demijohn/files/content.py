"""What comes in: its bytes piece by piece, its length, its type by its first bytes, and its name by all of them."""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from demijohn.files.errors import FileTooLargeError, FileTypeError, UploadError

#: The types that are told from their first bytes: the extension of the file's name, and how they begin.
TYPES = {
    "image/png": ("png", rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": ("jpg", rb"\xff\xd8\xff"),
    "image/gif": ("gif", rb"GIF8[79]a"),
    "image/webp": ("webp", rb"RIFF....WEBP"),
    "application/pdf": ("pdf", rb"%PDF-"),
}
OTHER = "application/octet-stream"
#: Bytes that are enough to tell.
_HEAD = 16
_BY_EXTENSION = {extension: type for type, (extension, _) in TYPES.items()} | {"bin": OTHER}
PRIVATE = "private-"
#: Characters of the longest name.
LONGEST = 48
_NAME = re.compile(rf"({PRIVATE})?([a-z2-7]{{32}})\.({'|'.join(_BY_EXTENSION)})", re.ASCII)
#: Bytes that are read at a time from what has `read`.
_READ = 64 * 1024


def type_of(head: bytes) -> str:
    """The type that content with these first bytes has, as far as it can be told."""
    for type, (_, signature) in TYPES.items():
        if re.match(signature, head, re.DOTALL):
            return type
    return OTHER


def type_by_name(name: str) -> str:
    """The type that the file of this name was found to have."""
    return _BY_EXTENSION.get(name.rpartition(".")[2], OTHER)


def is_name(name: object) -> bool:
    """Whether it can be the name of a file. What cannot reaches no store."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_private(name: str) -> bool:
    return name.startswith(PRIVATE)


class Incoming:
    """A file on its way in.

    :param source: `bytes`, a file object, a `bottle.FileUpload`, a part of `request.parts()` or any other iterable of
        bytes.
    :param limit: bytes.
    :param types: those that are taken; empty: all.
    :param token: the name of a private file; else it is made of the content.
    """

    def __init__(self, source: Any, limit: int, types: tuple[str, ...] = (), token: str = "") -> None:
        self._chunks = chunks(source)
        self._limit = limit
        self._types = types
        self._token = token
        self._hash = sha256()
        #: Bytes so far.
        self.size = 0
        #: Known with the first piece.
        self.type = OTHER
        #: Whether all has come: true when the last piece is handed out.
        self.ended = False

    @property
    def name(self) -> str:
        """The file's name, once all has come: 160 bits of its content's SHA-256, which nobody can meet by chance or on
        purpose, and the extension of its type."""
        assert self.ended
        extension = TYPES[self.type][0] if self.type in TYPES else "bin"
        if self._token:
            return f"{PRIVATE}{self._token}.{extension}"
        return f"{b32encode(self._hash.digest()[:20]).decode().lower()}.{extension}"

    def pieces(self, size: int) -> Iterator[bytes]:
        """All of it in pieces of exactly `size` bytes, the last one shorter or as long. An empty file has none.

        :raises UploadError: it is too large, or of no type that is taken.
        """
        kept = bytearray()
        judged = False
        for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise FileTooLargeError(self._limit)
            self._hash.update(chunk)
            kept += chunk
            if not judged and len(kept) >= _HEAD:
                self._judge(kept)
                judged = True
            while len(kept) > size:
                piece = bytes(memoryview(kept)[:size])
                del kept[:size]
                yield piece
        if not judged:
            self._judge(kept)
        self.ended = True
        if kept:
            yield bytes(kept)

    def _judge(self, head: bytearray) -> None:
        self.type = type_of(bytes(head[:_HEAD]))
        if self._types and self.type not in self._types:
            raise FileTypeError(self.type, self._types)


def chunks(source: Any) -> Iterator[bytes]:
    """The bytes of anything that holds some, 64 kB or what the source likes at a time."""
    if source is None or source == "":  # what Bottle has for a file field that was left empty
        raise UploadError("There is no file yet. Please choose one.")
    source = getattr(source, "file", source)  # bottle.FileUpload
    if isinstance(source, (bytes, bytearray, memoryview)):
        whole = memoryview(source)
        return (bytes(whole[start : start + _READ]) for start in range(0, len(whole), _READ))
    if isinstance(source, str) or not (hasattr(source, "read") or isinstance(source, Iterable)):
        raise TypeError(
            f"A file is made of bytes, a file object, an upload or an iterable of bytes, not of {type(source).__name__}"
        )
    if hasattr(source, "read"):
        return iter(lambda: source.read(_READ), b"")
    return iter(source)
