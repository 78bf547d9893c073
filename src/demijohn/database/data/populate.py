"""Seed files into tables: typed, in batches, all or nothing, each complaint with its row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Connection, Engine, ForeignKeyConstraint, MetaData, Table

from demijohn.database.data import tables as known
from demijohn.database.data.batches import Complaints, in_batches, insert_batch
from demijohn.database.data.numbering import go_on, take_given
from demijohn.database.data.references import Orphans, orphans, waiting
from demijohn.database.data.sources import Advance, Row, Source
from demijohn.database.data.transaction import require_transactions, writing
from demijohn.database.data.values import Reader, reader, shown
from demijohn.errors import DataError

#: A row as the statement takes it, and where it came from.
Ready = tuple[Row, dict[str, Any]]


def populate(
    engine: Engine,
    metadata: MetaData,
    given: Sequence[Source],
    *,
    if_empty: bool = False,
    replace: bool = False,
    advance: Advance = lambda count: None,
) -> dict[str, int | None]:
    """Put the rows of these sources into their tables, in one transaction.

    :param if_empty: leave the tables alone that hold rows already.
    :param replace: delete first what the tables hold.
    :returns: the rows that each table got; None: it was left alone.
    :raises DataError: something is wrong with a file or a row; nothing has been changed.
    """
    targets = {source.table: known.find_table(metadata, source.table, f"{source.path.name}: ") for source in given}
    ordered, circular = known.in_order(targets.values())
    put: dict[str, int | None] = dict.fromkeys((table.key for table in ordered), 0)
    with writing(engine) as connection:
        known.require(connection, ordered)
        require_transactions(connection, ordered)
        take_given(connection, ordered)
        if if_empty:
            full = [table for table in ordered if known.has_rows(connection, table)]
            put.update(dict.fromkeys((table.key for table in full), None))
            ordered = [table for table in ordered if table not in full]
            circular = [key for key in circular if key.table in ordered]
        with waiting(connection, circular):
            if replace:
                for table in reversed(ordered):
                    connection.execute(table.delete())
            for table in ordered:
                for source in given:
                    if source.table == table.key:
                        put[table.key] = (put[table.key] or 0) + _fill(connection, table, source, advance)
            for found in orphans(connection, _to_judge(connection, metadata, circular, ordered)):
                _complain_of_orphans(found, [source for source in given if source.table == found.key.table.key])
        go_on(connection, ordered)
    return put


def _to_judge(
    connection: Connection, metadata: MetaData, circular: Sequence[ForeignKeyConstraint], filled: Iterable[Table]
) -> Iterable[ForeignKeyConstraint]:
    """The keys that the database did not look at."""
    if not circular or connection.dialect.name == "postgresql":
        return circular
    tables = set(filled)
    keys = (key for table in metadata.sorted_tables for key in table.foreign_key_constraints)
    return [key for key in keys if key.table in tables or key.referred_table in tables]


def _fill(connection: Connection, table: Table, source: Source, advance: Advance) -> int:
    complaints = Complaints()
    rows = _read(connection, table, source, complaints, advance)
    insert = _insert(connection, table)
    done = 0

    def complain(row: Ready, words: str) -> bool:
        complaints.append(f"{source.place(row[0])}: {words}")
        return complaints.enough

    for batch in in_batches(rows):
        # Though all goes back now, the database is asked on: it may refuse other rows too.
        insert_batch(connection, insert, batch, complain)
        done += len(batch)
        if complaints.enough:
            break
    if complaints:
        more = " (and perhaps more)" if complaints.enough else ""
        raise DataError(f"Nothing was put into {table.key}, for {source.path.name} holds mistakes{more}:", complaints)
    return done


def _insert(connection: Connection, table: Table) -> Callable[[Sequence[Ready]], None]:
    statement = table.insert()

    def insert(rows: Sequence[Ready]) -> None:
        # A statement of many rows takes the same columns of each; the others get their defaults.
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for _, values in rows:
            alike.setdefault(tuple(values), []).append(values)
        for values_of_all in alike.values():
            connection.execute(statement, values_of_all)

    return insert


def _read(
    connection: Connection, table: Table, source: Source, complaints: Complaints, advance: Advance
) -> Iterator[Ready]:
    """The rows whose values are right; what is wrong with the others goes to `complaints`."""
    columns = {column.name: column for column in known.fillable(table)}
    readers = {name: reader(column, connection.dialect, source.is_text) for name, column in columns.items()}
    needed = [name for name, column in columns.items() if not column.nullable and not known.makes_itself(column)]
    read: dict[str, tuple[str, Column[Any], Reader]] = {}
    names: list[str] | None = None
    for row in source.rows(advance):
        if names != list(row.values):
            names = list(row.values)
            _check_names(source, table, row, columns, needed)
            read = {name: (columns[name].key, columns[name], readers[name]) for name in names}
        values: dict[str, Any] = {}
        right = True
        for name, value in row.values.items():
            key, column, parse = read[name]
            try:
                if value is None or value == "":
                    value = _nothing(column, value, source.is_text, parse)
                    if value is _DEFAULT:
                        continue
                else:
                    value = parse(value)
            except ValueError as error:
                complaints.append(f"{source.place(row)}: {name} {error}")
                right = False
                if complaints.enough:
                    return
            else:
                values[key] = value
        if right:
            yield row, values


_DEFAULT: Any = object()
_NULL: Any = sqlalchemy.null()


def _nothing(column: Column[Any], value: Any, is_text: bool, parse: Reader) -> Any:
    """What an empty cell, or a null, comes to: NULL where the column takes it, else its default, else an empty text."""
    if value == "" and not is_text:
        return parse(value)
    if column.nullable:
        return _NULL if isinstance(column.type, sqlalchemy.JSON) else None  # for JSON None is JSON's own null
    if known.makes_itself(column):
        return _DEFAULT
    try:
        return parse("" if is_text else None)
    except ValueError:
        raise ValueError("must have a value") from None


def _check_names(
    source: Source, table: Table, row: Row, columns: dict[str, Column[Any]], needed: Sequence[str]
) -> None:
    """:raises DataError: the row has a column that the table has not, or lacks one that it needs."""
    where = f"{source.path.name}:1" if source.is_text else source.place(row)
    for name in row.values:
        if name not in columns:
            if name in table.columns:
                raise DataError(f"{where}: the database computes the column {name} of {table.key}. Leave it out.")
            hint = known.near(name, columns) or f" It has {', '.join(columns)}."
            raise DataError(f"{where}: the table {table.key} has no column {shown(name)}.{hint}")
    missing = [name for name in needed if name not in row.values]
    if missing:
        raise DataError(f"{where}: each row of {table.key} needs a value for {', '.join(missing)}.")


def _complain_of_orphans(found: Orphans, given: Sequence[Source]) -> None:
    """:raises DataError: always; with the rows, which are looked up in the files again."""
    names = [column.name for column in found.key.columns]
    wanted = {tuple(map(str, values)) for values in found.values}
    complaints = Complaints()
    for source in given:
        for row in source.rows():
            values = tuple(str(row.values.get(name)) for name in names)
            if values in wanted and not complaints.enough:
                target = ", ".join(element.target_fullname for element in found.key.elements)
                complaints.append(f"{source.place(row)}: {', '.join(names)} is {', '.join(values)}: no such {target}")
    raise DataError(f"Nothing was put in, for rows point at rows that there are not. {found}.", complaints)
