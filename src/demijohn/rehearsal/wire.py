"""HTTP/1.1 as a router speaks it (RFC 9112): heads, the framing of bodies, and what is for one hop only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

#: Bytes of a head, and of a piece of a body.
HEAD, PIECE = 64 * 1024, 64 * 1024
# RFC 9110 section 7.6.1. Transfer-Encoding is written anew, as each hop frames a body by itself.
_ONE_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])")
_ANSWER = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: (.*))?")
#: Framing of a body that ends with the connection, and of one in chunks. Otherwise it is a number of bytes.
UNTIL_CLOSED, CHUNKED = -1, -2


class BadMessageError(Exception):
    """What came is not HTTP/1.1, or could be read in two ways."""


class RefusedError(Exception):
    """The router answers by itself."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class GoneError(Exception):
    """The visitor has hung up, or sends what nobody can read."""


#: What a connection raises that breaks in the middle of a message.
BROKEN = (OSError, BadMessageError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class Head(NamedTuple):
    """The first line and the headers of a request or an answer."""

    #: A request's method and target; an answer's status and reason.
    first: str
    second: str
    #: Minor version of HTTP/1.
    version: int
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """All values of a header, joined by commas; None if there is none."""
        values = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(values) if values else None

    def keeps(self) -> bool:
        """Whether the connection stays open after it."""
        words = [word.strip().lower() for word in (self.get("connection") or "").split(",")]
        return "close" not in words and (self.version == 1 or "keep-alive" in words)

    def for_next(self) -> list[tuple[str, str]]:
        """The headers that go beyond this hop."""
        named = {word.strip().lower() for word in (self.get("connection") or "").split(",")}
        return [(key, value) for key, value in self.headers if key.lower() not in _ONE_HOP | named]

    def framing(self) -> int | None:
        """The length of the body in bytes, `CHUNKED`, or None if nothing says.

        :raises BadMessageError: two headers disagree. Whoever believes the other one would see another message.
        """
        coding, length = self.get("transfer-encoding"), self.get("content-length")
        if coding is not None:
            if length is not None or coding.strip().lower() != "chunked":
                raise BadMessageError("a body is framed by chunks or by a length")
            return CHUNKED
        if length is None:
            return None
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise BadMessageError("a length is one number")
        return int(length)


async def read_head(reader: asyncio.StreamReader, pattern: re.Pattern[bytes]) -> Head | None:
    """The next head; None if the connection has ended before it.

    :raises BadMessageError: it is none, or too long.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadMessageError("the head is cut off") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadMessageError("the head is too long") from None
    first, *lines = raw.lstrip(b"\r\n")[:-4].split(b"\r\n")
    match = pattern.fullmatch(first)
    if match is None:
        raise BadMessageError("the first line is none")
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or b"\n" in value or b"\0" in value:
            raise BadMessageError("a header is none")
        headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    if pattern is _REQUEST:
        return Head(match[1].decode(), match[2].decode("latin-1"), int(match[3]), headers)
    return Head(match[2].decode(), (match[3] or b"").decode("latin-1"), int(match[1]), headers)


async def read_request(reader: asyncio.StreamReader) -> Head | None:
    return await read_head(reader, _REQUEST)


async def read_answer(reader: asyncio.StreamReader) -> Head | None:
    return await read_head(reader, _ANSWER)


def written(first: str, headers: list[tuple[str, str]]) -> bytes:
    """A head as it goes over the wire."""
    lines = [first, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def pieces(reader: asyncio.StreamReader, framing: int) -> AsyncIterator[bytes]:
    """A body, piece by piece, without its framing.

    :raises BadMessageError: the chunks are none, or the body ends too early.
    """
    if framing == CHUNKED:
        while size := await _chunk_size(reader):
            async for piece in pieces(reader, size):
                yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise BadMessageError("a chunk is longer than it says")
        while (await reader.readuntil(b"\r\n")) != b"\r\n":
            pass  # trailers
        return
    left = framing
    while left:
        piece = await reader.read(PIECE if framing == UNTIL_CLOSED else min(PIECE, left))
        if not piece:
            if framing == UNTIL_CLOSED:
                return
            raise BadMessageError("the body is shorter than its length")
        left -= len(piece) if framing != UNTIL_CLOSED else 0
        yield piece


async def _chunk_size(reader: asyncio.StreamReader) -> int:
    line = (await reader.readuntil(b"\r\n"))[:-2].partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", line):
        raise BadMessageError("the size of a chunk is none")
    return int(line, 16)


def chunk(piece: bytes) -> bytes:
    """A piece in the framing of chunks; the empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def read_off(reader: asyncio.StreamReader) -> None:
    """Read to the end, for nothing."""
    while await reader.read(PIECE):
        pass
