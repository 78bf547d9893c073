"""Reads a JSON text that is larger than the memory, value by value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

#: Characters that are read at a time.
CHUNK = 64 * 1024
#: Characters that one value, a row, may have.
LARGEST = 64 * 1024 * 1024

_BLANK = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


class JsonStream:
    """:param read: returns so many characters of the text, or fewer; "" at its end."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._text = ""
        self._at = 0
        self._ended = False
        #: The line at which the next value begins, after `peek`.
        self.line = 1

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            end = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            self._skip(end)
            if end < len(self._text):
                return self._text[end]
            if not self._more(CHUNK):
                return ""

    def take(self, expected: str) -> None:
        """Go past this character.

        :raises ValueError: another stands there.
        """
        if self.peek() != expected:
            raise ValueError(f"expected {expected}, not {self._text[self._at : self._at + 20]!r}")
        self._at += 1

    def value(self) -> Any:
        """The next value, whole.

        :raises ValueError: it is not JSON.
        """
        self.peek()
        chunk = CHUNK
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                if self._is_cut(error) and self._more(chunk):
                    if len(self._text) - self._at > LARGEST:
                        raise ValueError(f"a value of more than {LARGEST:,} characters") from None
                    chunk *= 2
                    continue
                line = self.line + self._text.count("\n", self._at, error.pos)
                raise ValueError(f"{error.msg} in line {line}") from None
            if end == len(self._text) and self._more(chunk):  # a number may go on
                continue
            self._skip(end)
            return value

    def elements(self) -> Iterator[tuple[int, Any]]:
        """The values of the array that comes next, one after the other, each with the line at which it begins."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            self.peek()
            line = self.line
            yield line, self.value()
            if self.peek() != ",":
                break
            self.take(",")
        self.take("]")

    def names(self) -> Iterator[str]:
        """The names in the object that comes next. The caller takes the value after each."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise ValueError(f"expected a name in quotes, not {key!r}")
            self.take(":")
            yield key
            if self.peek() != ",":
                break
            self.take(",")
        self.take("}")

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the mistake may be only that the text goes on: it is at the end, or in a string with no end."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - 12

    def _skip(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _more(self, chunk: int) -> bool:
        if self._ended:
            return False
        piece = self._read(chunk)
        self._ended = not piece
        self._text = self._text[self._at :] + piece
        self._at = 0
        return not self._ended
