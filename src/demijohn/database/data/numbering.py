"""The next number that the database gives a row. MySQL and SQLite go on behind the largest by themselves; a sequence of
PostgreSQL knows nothing of keys that were given, so that the next INSERT without one would meet a row that is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Connection, Table, event, text


def take_given(connection: Connection, tables: Iterable[Table]) -> None:
    """Let the rows bring their numbers along on this connection, also into a column that PostgreSQL wants to number by
    itself: Identity(always=True)."""
    columns = (column for table in tables for column in table.columns)
    if connection.dialect.name == "postgresql" and any(c.identity is not None and c.identity.always for c in columns):
        event.listen(connection, "before_cursor_execute", _override, retval=True)


def _override(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    if statement.startswith("INSERT INTO "):  # SQLAlchemy has no word for it
        statement = statement.replace(") VALUES (", ") OVERRIDING SYSTEM VALUE VALUES (", 1)
    return statement, parameters


def go_on(connection: Connection, tables: Iterable[Table]) -> None:
    """Move the sequences of these tables behind the rows that are there; never back.

    A sequence is no part of the transaction. If that fails in the end, some numbers are never used.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in _numbered(table):
            sequence = _sequence(connection, column)
            largest = connection.execute(sqlalchemy.select(sqlalchemy.func.max(column))).scalar()
            if sequence is None or largest is None:
                continue
            last, called = connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()
            if largest > last or (largest == last and not called):
                setting = text("SELECT setval(CAST(:sequence AS regclass), :largest)")
                connection.execute(setting, {"sequence": sequence, "largest": largest})


def _numbered(table: Table) -> Iterator[Column[Any]]:
    for column in table.columns:
        integer = isinstance(column.type, sqlalchemy.Integer)
        if integer and (column is table.autoincrement_column or column.identity or _own_sequence(column) is not None):
            yield column


def _own_sequence(column: Column[Any]) -> sqlalchemy.Sequence | None:
    return column.default if isinstance(column.default, sqlalchemy.Sequence) else None


def _sequence(connection: Connection, column: Column[Any]) -> str | None:
    """Its name, quoted as SQL wants it; None: the column has none."""
    quote = connection.dialect.identifier_preparer
    own = _own_sequence(column)
    if own is not None:
        return quote.format_sequence(own)
    statement = text("SELECT pg_get_serial_sequence(:table, :column)")
    given = {"table": quote.format_table(column.table), "column": column.name}
    name: str | None = connection.execute(statement, given).scalar()
    return name
