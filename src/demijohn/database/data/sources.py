"""The files that rows come from: CSV, JSON and JSON lines, read as they go, none kept whole."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from demijohn.database.data.json_stream import JsonStream
from demijohn.errors import DataError

#: What the name of a seed file ends with.
ENDINGS = (".csv", ".json", ".jsonl")
#: Called with the bytes that have been read since the last call.
Advance = Callable[[int], Any]


class Row(NamedTuple):
    """A row of a file, as it stands there."""

    #: Counted from 1, without the header.
    number: int
    #: The line at which it begins, from 1.
    line: int
    values: dict[str, Any]


class Source(NamedTuple):
    """The rows of one table in one file."""

    path: Path
    #: The table's name.
    table: str
    #: Whether the file is a JSON object, {table: [rows]}.
    nested: bool = False

    @property
    def is_text(self) -> bool:
        """Whether all values are text: an empty one may mean that there is none."""
        return self.path.suffix.lower() == ".csv"

    def place(self, row: Row) -> str:
        """Where a row stands, for a complaint: `users.csv:17 (row 16)`."""
        table = f"{self.table}, " if self.nested else ""
        return f"{self.path.name}:{row.line} ({table}row {row.number})"

    def rows(self, advance: Advance = lambda count: None) -> Iterator[Row]:
        """:raises DataError: the file cannot be read on."""
        with _opened(self.path, advance) as file:
            if self.is_text:
                yield from _csv_rows(self.path, file)
            elif self.path.suffix.lower() == ".jsonl":
                yield from _line_rows(self.path, file)
            else:
                yield from _json_rows(self.path, JsonStream(file.read), self.table if self.nested else None)


def sources(path: Path, table: str | None) -> list[Source]:
    """What a file holds.

    :param table: the table that the rows are for; None: the file says it, by its own name or inside.
    :raises DataError: there is no such file, or it is of no known kind.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder. Name the files in it.")
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path} is no seed file: its name must end with {', '.join(ENDINGS)}.")
    if path.suffix.lower() != ".json":
        return [Source(path, table or path.stem)]
    with _opened(path, lambda count: None) as file:
        stream = JsonStream(file.read)
        try:
            if not stream.peek():
                raise DataError(f"{path.name} is empty. It should be a list of rows, or {{table: [rows]}}.")
            if stream.peek() != "{":
                return [Source(path, table or path.stem)]
            names = []
            for name in stream.names():
                names.append(name)
                for _ in stream.elements():
                    pass
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            raise DataError(
                f"{path.name} cannot be read: {error}. It should be a list of rows, or {{table: [rows]}}."
            ) from error
    if table is not None and table not in names:
        raise DataError(f"{path.name} has no rows for the table {table}. It has: {', '.join(names) or 'nothing'}.")
    return [Source(path, name, nested=True) for name in dict.fromkeys(names) if table in (None, name)]


@contextmanager
def _opened(path: Path, advance: Advance) -> Iterator[IO[str]]:
    try:
        with path.open("rb") as raw:
            yield _Text(raw, advance)  # type: ignore[misc]  # as much of a file as csv and JsonStream want
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8: {error.reason}. Save it in UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


class _Text:
    """A file's text, which tells how far it has come. A text file of Python's cannot be asked that while it is read."""

    def __init__(self, raw: IO[bytes], advance: Advance) -> None:
        self._raw = raw
        self._advance = advance
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()  # Excel puts a mark at the beginning

    def read(self, size: int) -> str:
        while True:
            data = self._raw.read(size)
            self._advance(len(data))
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text

    def __iter__(self) -> Iterator[str]:
        rest = ""
        while text := self.read(64 * 1024):
            lines = (rest + text).split("\n")  # not at the other breaks of Unicode, which stand inside of texts
            rest = lines.pop()
            yield from (f"{line}\n" for line in lines)
        if rest:
            yield rest


def _csv_rows(path: Path, file: IO[str]) -> Iterator[Row]:
    csv.field_size_limit(64 * 1024 * 1024)  # Python's own is 128 KB
    lines = iter(file)
    first = next(lines, "")
    # Where the comma is the decimal point, spreadsheets put a semicolon between the cells.
    delimiter = max(",;\t", key=first.count)
    (names,) = list(csv.reader([first], delimiter=delimiter, strict=True)) or [[]]
    names = [name.strip() for name in names]
    if not any(names):
        raise DataError(f"{path.name} is empty. Its first line must name the columns.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path.name}:1: the column {', '.join(twice)} is there twice.")
    table = csv.reader(lines, delimiter=delimiter, strict=True)
    number, begins = 0, 2
    try:
        for cells in table:
            if cells:
                number += 1
                if len(cells) != len(names):
                    raise DataError(
                        f"{path.name}:{begins} (row {number}): {len(cells)} cells, where the first line names "
                        f"{len(names)} columns. A cell that holds the separator {delimiter!r} must stand in quotes."
                    )
                yield Row(number, begins, dict(zip(names, cells, strict=True)))
            begins = table.line_num + 2
    except csv.Error as error:
        raise DataError(f"{path.name}:{begins} (row {number + 1}): {error}.") from error


def _line_rows(path: Path, file: IO[str]) -> Iterator[Row]:
    number = 0
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        number += 1
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path.name}:{line} (row {number}): not JSON: {error}.") from error
        yield Row(number, line, _checked(path, line, number, value))


def _json_rows(path: Path, stream: JsonStream, table: str | None) -> Iterator[Row]:
    number = 0
    try:
        for name in stream.names() if table is not None else (None,):
            for line, value in stream.elements():
                if name == table:
                    number += 1
                    yield Row(number, line, _checked(path, line, number, value))
        if stream.peek():
            raise ValueError("something stands behind its end")
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise DataError(f"{path.name}:{stream.line}: not JSON as it should be: {error}.") from error


def _checked(path: Path, line: int, number: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path.name}:{line} (row {number}): a row must be an object, not {type(value).__name__}.")
    return value
