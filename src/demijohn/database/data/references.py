"""Foreign keys that no order of the rows satisfies: those that point at their own table (an employee's manager), or go
round in a circle. The database is told to wait with them until all rows are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import Connection, ForeignKeyConstraint, text


class Orphans(NamedTuple):
    """Rows that point at nothing."""

    key: ForeignKeyConstraint
    #: What the first few of them point at, in the order of the key's columns.
    values: list[tuple[Any, ...]]

    def __str__(self) -> str:
        columns = ", ".join(column.name for column in self.key.columns)
        targets = ", ".join(element.column.name for element in self.key.elements)
        shown = "; ".join(", ".join(map(str, value)) for value in self.values)
        return (
            f"{self.key.table.key}: {columns} points at {shown}, but {self.key.referred_table.key} has no row with "
            f"{'this' if len(self.values) == 1 else 'such a'} {targets}"
        )


@contextmanager
def waiting(connection: Connection, keys: Sequence[ForeignKeyConstraint]) -> Iterator[None]:
    """Within the block the database does not look at these foreign keys: MySQL and SQLite at none. What was put in must
    be judged with `orphans` before the block ends.

    PostgreSQL alters the keys for it, and back, inside the transaction: nobody else sees it. It takes the owner of the
    tables.
    """
    kind = connection.dialect.name
    if not keys:
        yield
    elif kind == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")  # until the commit, which switches it off
        yield
    elif kind == "mysql":
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        yield
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 1")
    elif kind == "postgresql":
        names = list(_names(connection, keys))
        for table, name in names:
            _alter(connection, table, name, "DEFERRABLE INITIALLY DEFERRED")
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        yield
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # judges now
        for table, name in names:
            _alter(connection, table, name, "NOT DEFERRABLE")
    else:
        yield


def orphans(connection: Connection, keys: Iterable[ForeignKeyConstraint], most: int = 5) -> Iterator[Orphans]:
    """The rows that point at rows which there are not, for each key that has any."""
    for key in keys:
        child = key.table
        parent = key.referred_table.alias("parent_")
        columns = list(key.columns)
        pairs = zip(columns, key.elements, strict=True)
        found = sqlalchemy.exists().where(*(parent.c[element.column.key] == column for column, element in pairs))
        statement = (
            sqlalchemy.select(*columns)
            .where(*(column.is_not(None) for column in columns), ~found.correlate(child))
            .distinct()
            .limit(most)
        )
        values = [tuple(row) for row in connection.execute(statement)]
        if values:
            yield Orphans(key, values)


def _names(connection: Connection, keys: Iterable[ForeignKeyConstraint]) -> Iterator[tuple[str, str]]:
    """The table and the name that the database has for each key which it does not defer by itself."""
    inspector = sqlalchemy.inspect(connection)
    quote = connection.dialect.identifier_preparer
    for key in keys:
        columns = [column.name for column in key.columns]
        for there in inspector.get_foreign_keys(key.table.name, schema=key.table.schema):
            if there["constrained_columns"] == columns and not there["options"].get("deferrable") and there["name"]:
                yield quote.format_table(key.table), quote.quote(there["name"])


def _alter(connection: Connection, table: str, name: str, how: str) -> None:
    connection.execute(text(f"ALTER TABLE {table} ALTER CONSTRAINT {name} {how}"))
