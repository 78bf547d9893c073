"""The body of a request as each server hands it over."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bottle import HTTPError

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

PIECE = 64 * 1024  # bytes asked of the server at a time
LINE = 8 * 1024  # bytes in one line of chunk framing
#: Bytes that are read and dropped of a body that is too large. A connection that is closed with unread bytes is reset,
#: and the visitor never sees why (RFC 9112 section 9.6).
DROPPED = 32 * 1024 * 1024
EXTRAS = 64 * 1024  # bytes of chunk extensions and trailers in one body; nobody reads them


def read(environ: WSGIEnvironment, limit: int) -> BytesIO:
    """The whole body, of `limit` bytes at most.

    :raises HTTPError: 413 for a larger one, 400 for one that was cut off or whose framing is wrong.
    """
    body, size = BytesIO(), 0
    try:
        length = content_length(environ)
        pieces = _pieces(environ, length)
        if length is not None and length > limit:
            if length <= DROPPED and "HTTP_EXPECT" not in environ:  # who expects a 100 sends nothing before it
                _drop(pieces)
            raise _too_large(limit)
        for piece in pieces:
            size += len(piece)
            if size > limit:
                _drop(pieces)
                raise _too_large(limit)
            body.write(piece)
    except HTTPError:
        raise
    except (MemoryError, OverflowError):  # cheroot asks for a whole chunk at once, of any size
        raise _too_large(limit) from None
    except Exception as error:
        # The server found the framing broken (gunicorn, cheroot), or the visitor hung up or fell silent.
        raise HTTPError(400, "The body of the request was cut off or damaged on its way.") from error
    body.seek(0)
    return body


def _drop(pieces: Iterator[bytes]) -> None:
    dropped = 0
    with contextlib.suppress(Exception):  # what is wrong with it no longer matters
        for piece in pieces:
            dropped += len(piece)
            if dropped > DROPPED:
                return


def _pieces(environ: WSGIEnvironment, length: int | None) -> Iterator[bytes]:
    stream: Any = environ.get("wsgi.input") or BytesIO()
    coding = (environ.get("HTTP_TRANSFER_ENCODING") or "").strip().lower()
    if coding not in ("", "chunked"):
        raise HTTPError(400, "The request has a transfer encoding that is not understood here. Use chunked, or none.")
    to_the_end = environ.get("wsgi.input_terminated")
    if coding and (environ.get("SERVER_SOFTWARE") or "").startswith("WSGIServer/"):
        # wsgiref alone hands over the bytes as they came.
        if length is not None:  # two ways to tell where the body ends: RFC 9112 section 6.1
            raise HTTPError(400, "The request has both a Content-Length and a Transfer-Encoding.")
        return _unchunked(stream.read, stream.readline)
    if coding and length is None:
        if "uwsgi.version" in environ:
            return iter(importlib.import_module("uwsgi").chunked_read, b"")
        to_the_end = True
    # A length beside a chunked body was counted by a gateway (nginx, over FastCGI), unless the server marks the end
    # itself: cheroot leaves in what the visitor made up.
    if to_the_end and (coding or length is None):
        return iter(lambda: stream.read(PIECE), b"")
    return _counted(stream.read, length or 0)


def content_length(environ: WSGIEnvironment) -> int | None:
    """The declared length in bytes, None for none.

    :raises HTTPError: 400 for what is no number.
    """
    text: str = environ.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise HTTPError(400, "The Content-Length of the request is not a number.")
    return int(text.lstrip("0")[:19] or "0")  # int() itself refuses thousands of digits; 19 are over any limit


def _too_large(limit: int) -> HTTPError:
    return HTTPError(413, f"That is too large: {limit:,} bytes can be sent here at most. (The setting is body.limit.)")


def _counted(read: Callable[[int], bytes], length: int) -> Iterator[bytes]:
    left = length
    while left:
        piece = read(min(left, PIECE))
        if not piece:
            raise HTTPError(400, f"The body of the request was cut off: {left:,} of {length:,} bytes are missing.")
        left -= len(piece)
        yield piece


# RFC 9112 section 7.1; token and quoted-string are RFC 9110 section 5.6.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
# Not compiled at boot: few bodies are chunked.
_CHUNK = rb"([0-9A-Fa-f]{1,16})((?:" + _EXTENSION + rb")*)\r\n"
_TRAILER = _TOKEN + rb":[\t -~\x80-\xff]*\r\n"


def _unchunked(read: Callable[[int], bytes], readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """The content of a chunked body, from the bytes of the wire; each is looked at once."""
    broken = HTTPError(400, "The body of the request was cut off or damaged on its way: its chunks do not add up.")
    extras = EXTRAS
    while True:
        head = re.fullmatch(_CHUNK, readline(LINE))
        if head is None:
            raise broken
        extras -= len(head[2])
        left = int(head[1], 16)
        if not left:
            break
        while left:
            piece = read(min(left, PIECE))
            if not piece:
                raise broken
            left -= len(piece)
            yield piece
        if extras < 0 or read(2) != b"\r\n":
            raise broken
    while (line := readline(LINE)) != b"\r\n":
        extras -= len(line)
        if extras < 0 or not re.fullmatch(_TRAILER, line):
            raise broken
