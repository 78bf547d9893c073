"""Puts a dump into empty tables: all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, MetaData, Table, bindparam

from demijohn.database.data import tables as known
from demijohn.database.data.batches import BATCH, Complaints, in_batches, insert_batch
from demijohn.database.data.codec import Codec, codec
from demijohn.database.data.dump import VERSION
from demijohn.database.data.numbering import go_on, take_given
from demijohn.database.data.references import orphans, waiting
from demijohn.database.data.transaction import require_transactions, writing
from demijohn.database.data.values import shown
from demijohn.errors import DataError

_WHOLE = "Make the dump again, or fetch the file again. Nothing was loaded."
#: A row's line in the dump and its values.
Ready = tuple[int, list[Any]]


class Load:
    """:param lines: of the dump.
    :param replace: delete first what the tables hold; else they must be empty.
    :param tell: told how many rows more are in.
    """

    def __init__(
        self,
        engine: Engine,
        metadata: MetaData,
        lines: Iterator[str],
        *,
        replace: bool = False,
        tell: Callable[[int], Any] = lambda count: None,
    ) -> None:
        self._engine = engine
        self._metadata = metadata
        self._lines = lines
        self._replace = replace
        self._tell = tell
        self._at = 0

    def run(self) -> dict[str, int]:
        """Load it. Returns the number of rows of each table, as the database counts them.

        :raises DataError: the dump is not whole, or does not fit; nothing has been changed.
        """
        header = self._header()
        tables = [known.find_table(self._metadata, name, "The dump does not fit. ") for name in header["tables"]]
        ordered, circular = known.in_order(tables)
        # A dump is made in such an order; one that somebody else has put together may not be.
        if [table.key for table in ordered] != header["tables"]:
            circular = [key for table in ordered for key in table.foreign_key_constraints]
        with writing(self._engine) as connection:
            self._check_revision(connection, header["revision"])
            known.require(connection, ordered)
            require_transactions(connection, ordered)
            take_given(connection, ordered)
            with waiting(connection, circular):
                self._clear(connection, ordered)
                counts = {name: self._table(connection, name) for name in header["tables"]}
                if self._next() != {"end": "dump", "rows": counts}:
                    raise DataError(f"The dump is not whole: its last line does not say what it holds. {_WHOLE}")
                if next(self._lines, "").strip():
                    raise DataError(f"Something stands behind the end of the dump. {_WHOLE}")
                touched = set(ordered)
                keys = [
                    key
                    for table in self._metadata.tables.values()
                    for key in table.foreign_key_constraints
                    if table in touched or (circular and key.referred_table in touched)
                ]
                lost = [str(found) for found in orphans(connection, keys)] if circular else []
                if lost:
                    raise DataError("The dump does not fit: rows point at rows that there are not.", lost)
            for table in ordered:
                there = known.count(connection, table)
                if there != counts[table.key]:
                    raise DataError(
                        f"The dump has {counts[table.key]:,} rows of {table.key}, but the table holds {there:,} now. "
                        "A trigger may have been at it. Nothing was loaded."
                    )
            go_on(connection, ordered)
        return counts

    # Lines

    def _next(self) -> Any:
        """The next line's value.

        :raises DataError: there is none, or it is not JSON: the dump has been cut off.
        """
        try:
            line = next(self._lines, "")
        except (EOFError, OSError, UnicodeDecodeError) as error:  # a .gz that has been cut off, or is damaged
            raise DataError(f"The dump cannot be read behind line {self._at:,}: {error}. {_WHOLE}") from error
        if not line:
            raise DataError(f"The dump is not whole: it ends after line {self._at:,}. {_WHOLE}")
        self._at += 1
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            cut = "" if line.endswith("\n") else " It has been cut off there."
            raise DataError(f"Line {self._at:,} of the dump is not JSON.{cut} {_WHOLE}") from None

    def _header(self) -> dict[str, Any]:
        try:
            header = self._next()
        except DataError:
            header = None
        if not isinstance(header, dict) or header.get("demijohn") != "dump":
            raise DataError("This is no dump: `demijohn db dump` has not made it. For seed files: demijohn db populate")
        if header.get("version") != VERSION:
            raise DataError(
                f"The dump is of version {header.get('version')}, and this Demijohn reads version {VERSION}. Use the "
                "Demijohn that made it, or a later one."
            )
        if not isinstance(header.get("tables"), list) or len(set(header["tables"])) != len(header["tables"]):
            raise DataError(f"The first line of the dump does not name its tables. {_WHOLE}")
        header.setdefault("revision", [])
        return header

    def _check_revision(self, connection: Connection, revision: list[str]) -> None:
        there = known.revisions(connection)
        if revision and there and revision != there:
            raise DataError(
                f"The dump is of the schema's revision {', '.join(revision)}, and this database is at "
                f"{', '.join(there)}. Bring this one there (demijohn db upgrade or downgrade), load, and go on from "
                "there. Nothing was loaded."
            )

    # Rows

    def _clear(self, connection: Connection, tables: Sequence[Table]) -> None:
        if self._replace:
            for table in reversed(tables):
                connection.execute(table.delete())
            return
        full = [table.key for table in tables if known.has_rows(connection, table)]
        if full:
            raise DataError(
                f"{', '.join(full)} {'holds' if len(full) == 1 else 'hold'} rows. A dump is loaded into empty tables; "
                "--replace deletes first what they hold. Nothing was loaded."
            )

    def _table(self, connection: Connection, name: str) -> int:
        table = self._metadata.tables[name]
        begin = self._next()
        if not isinstance(begin, dict) or begin.get("table") != name or not isinstance(begin.get("columns"), dict):
            raise DataError(f"Line {self._at:,} of the dump should begin the table {name}. {_WHOLE}")
        codecs = _fit(table, begin["columns"], connection)
        insert = _insert(connection, table, codecs)
        complaints = Complaints()

        def complain(row: Ready, words: str) -> bool:
            complaints.append(f"line {row[0]:,}: {words}")
            return complaints.enough

        done = 0
        for batch in in_batches(self._rows(name, codecs, complaints), known.rows_at_once(table, BATCH)):
            if not complaints:  # a value that could not be read is in this batch
                insert_batch(connection, insert, batch, complain)
                done += len(batch)
                self._tell(len(batch))
            if complaints.enough:
                break
        if complaints:
            raise DataError(f"Nothing was loaded, for {name} does not take all rows of the dump:", complaints)
        return done

    def _rows(self, name: str, codecs: Sequence[Codec], complaints: Complaints) -> Iterator[Ready]:
        reads = [each.read for each in codecs]
        count = 0
        while not complaints.enough:
            row = self._next()
            if isinstance(row, dict) and row.get("end") == name:
                if row.get("rows") != count:
                    raise DataError(
                        f"The dump is not whole: it has {count:,} rows of {name}, and says that there are "
                        f"{row.get('rows')}. {_WHOLE}"
                    )
                return
            if not isinstance(row, list) or len(row) != len(reads):
                raise DataError(f"Line {self._at:,} of the dump is no row of {name}. {_WHOLE}")
            count += 1
            for place, value in enumerate(row):
                if value is not None:
                    try:
                        row[place] = reads[place](value)
                    except (ValueError, TypeError, ArithmeticError, AttributeError):
                        each = codecs[place]
                        complaints.append(f"line {self._at:,}: {each.name} must be {each.kind}, not {shown(value)}")
            yield self._at, row


def _fit(table: Table, columns: dict[str, str], connection: Connection) -> list[Codec]:
    """The codecs of the dump's columns.

    :raises DataError: they are not those of the table.
    """
    ours = {column.name: codec(column, connection.dialect) for column in known.fillable(table)}
    problems = [f"the dump's column {name} is not in the model" for name in columns if name not in ours]
    problems += [f"the model's column {name} is not in the dump" for name in ours if name not in columns]
    problems += [
        f"{name} is {kind} in the dump and {ours[name].kind} in the model"
        for name, kind in columns.items()
        if name in ours and ours[name].kind != kind
    ]
    if problems:
        raise DataError(
            f"The dump is of another state of the models: {table.key} has changed. Nothing was loaded.", problems
        )
    return [ours[name] for name in columns]


def _insert(connection: Connection, table: Table, codecs: Sequence[Codec]) -> Callable[[Sequence[Ready]], None]:
    # A table of its own, with the plain types and without the defaults of the model.
    bare = sqlalchemy.table(
        table.name, *(sqlalchemy.column(each.name, each.type) for each in codecs), schema=table.schema
    )
    names = [f"v{place}" for place in range(len(codecs))]
    values: dict[str, Any] = {}
    for name, each in zip(names, codecs, strict=True):
        given: Any = bindparam(name, type_=each.type)
        values[each.name] = each.insert(given) if each.insert else given
    statement = sqlalchemy.insert(bare).values(values)

    def insert(rows: Sequence[Ready]) -> None:
        connection.execute(statement, [dict(zip(names, row, strict=True)) for _, row in rows])

    return insert
