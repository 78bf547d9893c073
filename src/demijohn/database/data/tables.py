"""Which tables there are, in which order they are filled, and which are nobody's business here."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Connection, ForeignKeyConstraint, MetaData, Table

from demijohn.errors import DataError

#: The tables of the parts begin so. They hold the visitors' sessions: no data of the site's, and secret.
OWN = "demijohn_"
#: Those of them that hold data of the site's all the same: what its visitors have uploaded.
UPLOADS = ("demijohn_files", "demijohn_file_pieces")
#: Where Alembic keeps the revision of the schema.
REVISION = "alembic_version"


def is_own(name: str) -> bool:
    """Whether a table of this name is a part's, not the site's."""
    return name.rpartition(".")[2].startswith(OWN)


def is_left_out(name: str) -> bool:
    """Whether a dump of all tables is without the one of this name."""
    return is_own(name) and name.rpartition(".")[2] not in UPLOADS


def rows_at_once(table: Table, most: int) -> int:
    """How many rows are handled together: `most`, and few of a table with binary data, a piece of a file each."""
    binary = any(isinstance(column.type, sqlalchemy.LargeBinary) for column in table.columns)
    return min(most, 20) if binary else most


def find_table(metadata: MetaData, name: str, where: str = "") -> Table:
    """The table of this name.

    :param where: what names it, for the complaint.
    :raises DataError: there is none among the models.
    """
    table = metadata.tables.get(name)
    if table is None:
        known = [key for key in metadata.tables if not is_own(key)]
        raise DataError(f"{where}There is no table {name!r} among the models.{_hint(name, known)}")
    return table


def near(name: str, known: Collection[str]) -> str:
    """` Is it users?`, or nothing where no known name is like this one."""
    found = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f" Is it {' or '.join(found)}?" if found else ""


def _hint(name: str, known: list[str]) -> str:
    return near(name, known) or f" There {'are' if len(known) > 1 else 'is'} {', '.join(sorted(known)) or 'none'}."


def in_order(tables: Iterable[Table]) -> tuple[list[Table], list[ForeignKeyConstraint]]:
    """The tables so that each stands behind those that it points at; and the foreign keys that no order satisfies,
    because they point at their own table or go round in a circle."""
    ordered: list[Table] = []
    circular: set[ForeignKeyConstraint] = set()
    given = sorted(tables, key=lambda table: table.key)
    sort: Any = sqlalchemy.schema.sort_tables_and_constraints
    for table, keys in sort(given):
        if table is not None:
            ordered.append(table)
        else:
            circular.update(keys)
    circular.update(key for table in given for key in table.foreign_key_constraints if key.referred_table is table)
    return ordered, sorted(circular, key=lambda key: (key.table.key, [column.name for column in key.columns]))


def require(connection: Connection, tables: Iterable[Table]) -> None:
    """:raises DataError: one of these tables is not in the database, or lacks a column of its model."""
    inspector = sqlalchemy.inspect(connection)
    for table in tables:
        if not inspector.has_table(table.name, schema=table.schema):
            raise DataError(
                f"There is no table {table.key} in the database yet. Make it: demijohn db upgrade, or, without "
                "migrations, demijohn db create."
            )
        there = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
        missing = [column.name for column in table.columns if column.name not in there]
        if missing:
            raise DataError(
                f"The table {table.key} in the database has no column {', '.join(missing)}, which its model has. "
                "Bring it up to date: demijohn db upgrade"
            )


def unknown_tables(connection: Connection, metadata: MetaData) -> list[str]:
    """The tables of the database that no model describes."""
    ours = {table.name for table in metadata.tables.values()}
    there = set(sqlalchemy.inspect(connection).get_table_names())
    return sorted(name for name in there - ours - {REVISION} if not is_own(name))


def revisions(connection: Connection) -> list[str]:
    """The schema's revision, as Alembic has noted it in the database; empty: it is not known."""
    if not sqlalchemy.inspect(connection).has_table(REVISION):
        return []
    rows = connection.execute(sqlalchemy.text(f"SELECT version_num FROM {REVISION}"))
    return sorted(row[0] for row in rows)


def has_rows(connection: Connection, table: Table) -> bool:
    return connection.execute(sqlalchemy.select(sqlalchemy.literal(1)).select_from(table).limit(1)).first() is not None


def count(connection: Connection, table: Table) -> int:
    total: int = connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table)).scalar_one()
    return total


def makes_itself(column: Column[Any]) -> bool:
    """Whether a row may leave this column out though it takes no NULL: it has a default, or the database numbers it."""
    return (
        column.default is not None
        or column.server_default is not None  # also what the database computes, and identities
        or column.identity is not None
        or column is column.table.autoincrement_column
    )


def fillable(table: Table) -> list[Column[Any]]:
    """The columns that take a value: all but those that the database computes."""
    return [column for column in table.columns if column.computed is None]
