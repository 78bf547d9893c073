"""The body of a request as each server hands it over."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

from bottle import HTTPError

from demijohn.bodies.limits import Limits, too_large, too_large_for_memory
from demijohn.bodies.pace import Pace, TooSlow, too_slow

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

PIECE = 64 * 1024  # bytes asked of the server at a time
LINE = 8 * 1024  # bytes in one line of chunk framing
#: Bytes that are read and dropped of a body that is too large. A connection that is closed with unread bytes is reset,
#: and the visitor never sees why (RFC 9112 section 9.6).
DROPPED = 32 * 1024 * 1024
DROPPING = 5  # seconds that the visitor is waited for meanwhile
EXTRAS = 64 * 1024  # bytes of chunk extensions and trailers in one body; nobody reads them


class Incoming:
    """The body of one request as it arrives: an iterator of pieces that are bytes, within `limits`.

    It raises a `bottle.HTTPError`, the same one whenever it is asked again: 413 for more than may be sent, 400 for a
    body that was cut off or whose framing is wrong, 408 for one that comes too slowly.
    """

    def __init__(self, environ: WSGIEnvironment, limits: Limits) -> None:
        #: What it is read from.
        self.stream = environ.get("wsgi.input")
        #: What it is held to.
        self.limits = limits
        #: Whether it has been handed out piece by piece.
        self.streamed = False
        #: Bytes it may have, and the refusal of more.
        self.most, self.over = limits.limit, too_large
        self._environ = environ
        self._pace = Pace(environ, limits.timeout, limits.rate)
        self._pieces: Iterator[bytes] | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._error: HTTPError | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.check()
        if self._held:
            return self._held.pop(0)
        try:
            if self._pieces is None:
                self._begin()
            piece = next(self._pieces)  # type: ignore[arg-type]  # begun
            self._size += len(piece)
        except HTTPError as error:
            self._error = error
            raise
        except (MemoryError, OverflowError):  # cheroot asks for a whole chunk at once, of any size
            self._fail(self.over(self.most))
        except (TooSlow, TimeoutError):  # the server's own patience
            self._fail(too_slow())
        except StopIteration:
            raise
        except Exception as error:
            # The server found the framing broken (gunicorn, cheroot), or the visitor hung up or fell silent.
            self._fail(HTTPError(400, "The body of the request was cut off or damaged on its way."), error)
        if self._size > self.most:
            self.refuse(self.over(self.most))
            self.check()
        return piece

    def check(self) -> None:
        """Raise once more what was wrong with it."""
        if self._error is not None:
            raise self._error

    def hold(self, pieces: list[bytes]) -> None:
        """Hand these bytes out before all others: they have been looked at only. Who sends a byte in each chunk makes a
        million pieces of them."""
        whole = b"".join(pieces)
        self._held[:0] = [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]

    def refuse(self, error: HTTPError) -> None:
        """Have nobody read on, and drop what still comes, for a while."""
        self._error = error
        if self._pieces is not None:
            self._drop(self._pieces)

    def _begin(self) -> None:
        environ = self._environ
        length = content_length(environ)
        self._pieces = _pieces(environ, length, self._pace)
        if length is not None and length > self.most:
            if length <= DROPPED and "HTTP_EXPECT" not in environ:  # who expects a 100 sends nothing before it
                self._drop(self._pieces)
            raise self.over(self.most)

    def _fail(self, error: HTTPError, cause: Exception | None = None) -> NoReturn:
        self._error = error
        raise error from cause

    def _drop(self, pieces: Iterator[bytes]) -> None:
        self._pace.hurry(DROPPING)
        dropped = 0
        with contextlib.suppress(Exception):  # what is wrong with it no longer matters
            for piece in pieces:
                dropped += len(piece)
                if dropped > DROPPED:
                    return


def read(incoming: Incoming) -> BytesIO:
    """The whole body, in memory.

    :raises HTTPError: as `Incoming` does.
    """
    body = BytesIO()
    memory = incoming.limits.memory
    if memory is not None and memory < incoming.most:
        incoming.most, incoming.over = memory, too_large_for_memory
    for piece in incoming:
        body.write(piece)
    body.seek(0)
    return body


def _pieces(environ: WSGIEnvironment, length: int | None, pace: Pace) -> Iterator[bytes]:
    stream: Any = environ.get("wsgi.input") or BytesIO()
    read = pace.keep(_reader(stream, environ, pace))
    coding = (environ.get("HTTP_TRANSFER_ENCODING") or "").strip().lower()
    if coding not in ("", "chunked"):
        raise HTTPError(400, "The request has a transfer encoding that is not understood here. Use chunked, or none.")
    to_the_end = environ.get("wsgi.input_terminated")
    if coding and (environ.get("SERVER_SOFTWARE") or "").startswith("WSGIServer/"):
        # wsgiref alone hands over the bytes as they came.
        if length is not None:  # two ways to tell where the body ends: RFC 9112 section 6.1
            raise HTTPError(400, "The request has both a Content-Length and a Transfer-Encoding.")
        return _unchunked(read, pace.keep(stream.readline))
    if coding and length is None:
        if "uwsgi.version" in environ:
            from demijohn.bodies.uwsgi import chunk_reader

            return iter(pace.keep(chunk_reader(stream.fileno(), pace)), b"")
        to_the_end = True
    # A length beside a chunked body was counted by a gateway (nginx, over FastCGI), unless the server marks the end
    # itself: cheroot leaves in what the visitor made up.
    if to_the_end and (coding or length is None):
        return iter(lambda: read(PIECE), b"")
    return _counted(read, length or 0)


def _reader(stream: Any, environ: WSGIEnvironment, pace: Pace) -> Callable[[int], bytes]:
    if "uwsgi.version" not in environ or not hasattr(stream, "fileno"):
        return stream.read  # type: ignore[no-any-return]
    from demijohn.bodies.uwsgi import reader

    return reader(stream, pace)


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
        if extras < 0 or readline(2) != b"\r\n":
            raise broken
    while (line := readline(LINE)) != b"\r\n":
        extras -= len(line)
        if extras < 0 or not re.fullmatch(_TRAILER, line):
            raise broken
