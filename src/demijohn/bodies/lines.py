"""Text that arrives in pieces, line by line: a CSV file of any length takes the memory of a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from bottle import HTTPError

from demijohn.bodies.limits import line_too_long

#: Spreadsheets begin a file with it to say that it is UTF-8.
MARK = b"\xef\xbb\xbf"


def lines(pieces: Iterable[bytes], limit: int, refuse: Callable[[HTTPError], NoReturn], charset: str) -> Iterator[str]:
    """The lines of the text that `pieces` make up, each with its end, as `csv.reader` wants them.

    :param limit: bytes of the longest line. A longer one is refused with 413, and bytes that are not in `charset` with
        400, at their line: those before it have been handed out.
    """

    def text(line: bytes) -> str:
        if len(line) > limit:
            refuse(line_too_long(limit))
        try:
            return line.decode(charset)
        except UnicodeDecodeError:
            refuse(HTTPError(400, f"Line {number:,} of the text is not {charset.upper()}."))

    number, begun, size = 0, [b""], 0  # of a line, its pieces and their bytes are kept apart until it ends
    for piece in pieces:
        first, *more = piece.split(b"\n")
        begun.append(first)
        size += len(first)
        if size > limit:
            refuse(line_too_long(limit))
        for after in more:
            number += 1
            line = b"".join(begun) + b"\n"
            yield text(line.removeprefix(MARK) if number == 1 else line)
            begun, size = [after], len(after)
    number += 1
    if last := b"".join(begun):
        yield text(last.removeprefix(MARK) if number == 1 else last)
