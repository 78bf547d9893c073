"""The parts of a form of RFC 7578, one after the other, as they arrive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn
from unicodedata import category, normalize

from bottle import HeaderDict, HTTPError

from demijohn.bodies.content import CONTROL
from demijohn.bodies.errors import PartGoneError
from demijohn.bodies.limits import Limits, field_too_large, part_too_large, too_many
from demijohn.bodies.lines import lines

if TYPE_CHECKING:
    from multipart import MultipartSegment

Refuse = Callable[[HTTPError], None]

# Apache's HttpClient for Java sends a text field as ISO-8859-1 unless told otherwise.
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8", "iso-8859-1": "latin1"}
_BINARY = "application/octet-stream"
_NAMELESS = "unnamed"
_NAME = 255  # characters of a file's name that are kept
#: They turn the order of letters around, so that a name ends otherwise than it seems to.
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Part:
    """A field or a file of a form: an iterator over its bytes, in pieces of about 64 KiB at most.

    It is read while `request.parts()` stands at it. What is not read is passed over.
    """

    __slots__ = ("_form", "_gone", "_over", "_segment", "content_type", "filename", "headers", "name", "size")

    def __init__(self, segment: MultipartSegment, form: _Form) -> None:
        _check_headers(segment, form)
        self._segment = segment
        self._form = form
        self._over = self._gone = False
        #: The name of the form's field.
        self.name: str = segment.name or ""
        #: The visitor's name for the file: no path, no control characters. None for a field of text, and for a file
        #: field that was left empty.
        self.filename: str | None = file_name(segment.filename) if segment.filename else None
        #: As the visitor declares it, which proves nothing: `image/png`.
        self.content_type: str = segment.content_type or ("text/plain" if self.filename is None else _BINARY)
        #: All its headers, whatever the case of their names.
        self.headers: HeaderDict = HeaderDict(segment.headerlist)
        #: Bytes of it that have come so far.
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._gone:
            raise PartGoneError(self.name)
        if self._over:
            raise StopIteration
        piece = self._form.next()
        if piece is None:
            self._over = True
            raise StopIteration
        self.size += len(piece)
        limits = self._form.limits
        if self.filename is None:
            if self.size > limits.field:
                self._form.refuse(field_too_large(limits.field))
        elif limits.part is not None and self.size > limits.part:
            self._form.refuse(part_too_large(limits.part))
        return piece  # type: ignore[no-any-return]

    def text(self) -> str:
        """The whole of it as text.

        :raises HTTPError: 413 if it is longer than `body.field`, 400 if it is not in its character set, UTF-8.
        """
        pieces, form = [], self._form
        for piece in self:
            if self.size > form.limits.field:
                form.refuse(field_too_large(form.limits.field))
            pieces.append(piece)
        charset = self._charset()
        try:
            return b"".join(pieces).decode(charset)
        except UnicodeDecodeError:
            form.refuse(HTTPError(400, "The form holds text that is not UTF-8."))

    def lines(self) -> Iterator[str]:
        """It as text, line by line, each with its end: what `csv.reader` takes, of a file of any length.

        :raises HTTPError: in the loop 413 for a line that is longer than `body.field`, 400 for one that is not in its
            character set, UTF-8, and whatever is raised for the form.
        """
        return lines(self, self._form.limits.field, self._form.refuse, self._charset())

    def _charset(self) -> str:
        charset = _CHARSETS.get((self._segment.charset or "utf-8").lower())
        if charset is None:
            self._form.refuse(
                HTTPError(400, "The form holds text in a character set that is not understood here. Send UTF-8.")
            )
        return charset

    @property
    def given_name(self) -> str:
        """The file's name as it came, unsafe to use as it is."""
        return self._segment.filename or ""

    def _leave(self) -> None:
        """Pass over what was not read of it."""
        for _ in self:
            pass
        self._gone = True


def parts(pieces: Iterable[bytes], content_type: str, limits: Limits, refuse: Refuse | None = None) -> Iterator[Part]:
    """The parts of the form that `pieces` make up.

    :param content_type: the request's, with the boundary in it.
    :param refuse: is called with each HTTPError that is found, and raises it.
    """
    form = _Form(pieces, content_type, limits, refuse)
    count = 0
    while (segment := form.next()) is not None:
        count += 1
        if count > limits.parts:
            form.refuse(too_many(limits.parts))
        part = Part(segment, form)
        yield part
        part._leave()


class _Form:
    """What the parser finds, until something is refused; from then on the refusal, whoever asks."""

    def __init__(
        self, pieces: Iterable[bytes], content_type: str, limits: Limits, refuse: Refuse | None = None
    ) -> None:
        self.limits = limits
        self._refuse = refuse
        self._error: HTTPError | None = None
        self._whole = False
        self._events = self._parsed(pieces, content_type)

    def next(self) -> Any:
        """A part's head, its bytes in pieces, None at its end, the next part's head; None after the last."""
        if self._error is not None:
            raise self._error
        event = next(self._events, self)
        if event is not self:
            return event
        if not self._whole:  # something that is no HTTPError has ended it
            self.refuse(HTTPError(400, "The form was not read to its end."))
        return None

    def refuse(self, error: HTTPError) -> NoReturn:
        self._error = error
        if self._refuse is not None:
            self._refuse(error)
        raise error

    def _parsed(self, pieces: Iterable[bytes], content_type: str) -> Iterator[Any]:
        import multipart

        boundary = multipart.parse_options_header(content_type)[1].get("boundary", "").encode("latin1", "replace")
        try:
            with multipart.PushMultipartParser(boundary) as parser:
                for piece in pieces:
                    yield from parser.parse(piece)
            self._whole = True
        except multipart.ParserLimitReached as error:
            self.refuse(HTTPError(413, f"The form has a part with too many or too long headers: {error}."))
        except multipart.MultipartError as error:
            self.refuse(HTTPError(400, f"The form was cut off or damaged on its way: {error}."))
        except HTTPError as error:  # of the pieces
            self._error = error
            raise


def _check_headers(segment: MultipartSegment, form: _Form) -> None:
    for name, header in segment.headerlist:
        if re.search(CONTROL, header):
            form.refuse(HTTPError(400, f"The form is damaged: the header {name} of a part holds control characters."))
        if name == "Content-Transfer-Encoding" and header.strip().lower() not in ("7bit", "8bit", "binary"):
            form.refuse(HTTPError(400, "The form has an encoding that RFC 7578 has given up. Send each part as it is."))


def file_name(given: str) -> str:
    """A name for people to read, from what a browser sent: the last word of a path, without characters that are not
    seen or that turn the order of others around; of at most 255 characters, `unnamed` if nothing is left."""
    last = given.replace("\\", "/").rpartition("/")[2]
    last = normalize("NFC", last[: 2 * _NAME])  # which takes time by the square of its length
    seen = "".join(sign for sign in last if sign not in _TURNING and category(sign) not in ("Cc", "Cs", "Zl", "Zp"))
    return seen.strip(" .")[:_NAME].strip(" .") or _NAMELESS
