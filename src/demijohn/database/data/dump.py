"""Writes the rows of all tables as one text, as they were at one moment.

JSON lines: a header that names the tables, for each table a line with its columns, a line for each row and one with
their number, and at the end a line with all the numbers, without which a dump is not whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, MetaData, Table

from demijohn.database.data import tables as known
from demijohn.database.data.codec import Codec, codec
from demijohn.database.data.transaction import reading
from demijohn.errors import DataError

#: The version of the format.
VERSION = 1
#: Rows that are fetched at a time.
_FETCH = 2000

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def choose(metadata: MetaData, names: Iterable[str] | None) -> list[Table]:
    """The tables of these names; None: all but the parts' own. In an order in which they can be loaded.

    :raises DataError: there is no such table.
    """
    if names is None:
        chosen = [table for table in metadata.tables.values() if not known.is_left_out(table.name)]
    else:
        chosen = [known.find_table(metadata, name) for name in dict.fromkeys(names)]
    return known.in_order(chosen)[0]


class Dump:
    """:param tell: told how many rows more are written."""

    def __init__(
        self,
        engine: Engine,
        tables: Sequence[Table],
        write: Callable[[str], Any],
        tell: Callable[[int], Any] = lambda count: None,
    ) -> None:
        self._engine = engine
        self._tables = tables
        self._write = write
        self._tell = tell

    def run(self) -> dict[str, int]:
        """Write it. Returns the number of rows of each table.

        :raises DataError: a table is not there, or holds what a dump cannot say.
        """
        counts: dict[str, int] = {}
        with reading(self._engine) as connection:
            known.require(connection, self._tables)
            self._line(
                {
                    "demijohn": "dump",
                    "version": VERSION,
                    "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    "database": connection.dialect.name,
                    "revision": known.revisions(connection),
                    "tables": [table.key for table in self._tables],
                }
            )
            for table in self._tables:
                codecs = [codec(column, connection.dialect) for column in known.fillable(table)]
                self._line({"table": table.key, "columns": {each.name: each.kind for each in codecs}})
                counts[table.key] = self._rows(connection, table, codecs)
                self._line({"end": table.key, "rows": counts[table.key]})
            self._line({"end": "dump", "rows": counts})
        return counts

    def _rows(self, connection: Connection, table: Table, codecs: Sequence[Codec]) -> int:
        count = 0
        write, encode = self._write, _json
        changes = [(place, each.write) for place, each in enumerate(codecs) if each.write is not None]
        try:
            for part in _fetch(connection, table, codecs):
                lines = []
                for row in part:
                    values = list(row)
                    for place, change in changes:
                        if values[place] is not None:
                            values[place] = change(values[place])
                    lines.append(encode(values))
                lines.append("")
                write("\n".join(lines))
                count += len(part)
                self._tell(len(part))
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise DataError(
                f"The table {table.key} holds a value that its model does not allow, within {_FETCH:,} rows after row "
                f"{count:,}: {error}"
            ) from error
        return count

    def _line(self, value: Any) -> None:
        self._write(f"{_json(value)}\n")


def _fetch(connection: Connection, table: Table, codecs: Sequence[Codec]) -> Iterator[Sequence[Any]]:
    columns = []
    for each in codecs:
        column = table.columns[_key(table, each.name)]
        selected = each.select(column) if each.select else sqlalchemy.type_coerce(column, each.type)
        columns.append(selected.label(each.name))
    statement = sqlalchemy.select(*columns).order_by(*table.primary_key.columns)
    options = {"yield_per": known.rows_at_once(table, _FETCH)}  # also a cursor that the server keeps
    with connection.execute(statement, execution_options=options) as result:
        yield from result.partitions()


def _key(table: Table, name: str) -> str:
    return next(column.key for column in table.columns if column.name == name)
