"""The one transaction in which rows are read or written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, Table, text

from demijohn.database.dialects import LazyTransactions
from demijohn.errors import DataError

#: The name of the lock that one writer holds on MySQL, for each database; and its number on PostgreSQL.
_LOCK = "demijohn data"
_LOCK_NUMBER = 0x64656D69_64617461
#: Seconds that a second writer waits for the first.
_WAIT = 3600


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is committed at the end of the block, and rolled back if it raises. One at a
    time in a whole database: two instances that start together do not both fill an empty table.

    Nothing else is said on this connection afterwards, for it is strict in its own way.
    """
    with engine.connect() as connection:
        connection.detach()
        kind = connection.dialect.name
        if kind == "mysql":
            # Else a text that is too long is cut, and the key 0 becomes the next free one.
            modes = "CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO')"
            connection.execute(text(f"SET SESSION sql_mode = {modes}"))
            # In the usual REPEATABLE READ the roll-back locks each row that it takes back. Some 100,000 of them fill a
            # buffer pool of 32 MB, and MariaDB 10.11 then aborts: "occupied by lock heaps".
            if connection.execute(text("SELECT @@log_bin = 0 OR @@binlog_format <> 'STATEMENT'")).scalar():
                connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"))
            _lock(connection, f"{_LOCK} {engine.url.database}"[:64])
            connection.commit()  # what is seen afterwards must be of after the wait
        _begin(connection)
        if kind == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
        with _quiet():
            yield connection
        connection.commit()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it was at one moment, however long the block takes."""
    with engine.connect() as connection:
        connection.detach()
        kind = connection.dialect.name
        if kind == "mysql":
            # The server hangs up on a reader who pauses longer, such as a pipe into a slow disk.
            connection.execute(text("SET SESSION net_write_timeout = 3600"))
            connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.commit()
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        elif kind == "postgresql":
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        else:
            connection.exec_driver_sql("BEGIN")
        yield connection
        connection.rollback()


def require_transactions(connection: Connection, tables: Iterable[Table]) -> None:
    """:raises DataError: MySQL keeps one of these tables in an engine that has no transactions (MyISAM), which could
    be filled by half."""
    if connection.dialect.name != "mysql":
        return
    names: Any = sqlalchemy.bindparam("names", [table.name for table in tables], expanding=True)
    rows = connection.execute(
        text(
            "SELECT t.table_name, t.engine FROM information_schema.tables t JOIN information_schema.engines e "
            "ON e.engine = t.engine WHERE t.table_schema = DATABASE() AND e.transactions <> 'YES' "
            "AND t.table_name IN :names"
        ).bindparams(names)
    ).all()
    for name, engine in rows:
        raise DataError(
            f"MySQL keeps the table {name} in {engine}, which knows no transactions, so it could be left half filled. "
            f"Change it first: ALTER TABLE {name} ENGINE=InnoDB"
        )


def in_transaction(connection: Connection) -> bool:
    """Whether the transaction is still there: MySQL ends it by itself at a deadlock."""
    dialect: Any = connection.dialect
    if connection.invalidated:
        return False
    if not isinstance(dialect, LazyTransactions):
        return True
    return dialect.in_transaction(connection.connection.dbapi_connection)


def _lock(connection: Connection, name: str) -> None:
    """It ends with the connection. Asked in slices, which are shorter than any time-out of a driver or a proxy."""
    for _ in range(_WAIT // 2):
        if connection.execute(text("SELECT GET_LOCK(:name, 2)"), {"name": name}).scalar():
            return
    raise DataError("Another process has been writing into this database for an hour. Try again later.")


@contextmanager
def _quiet() -> Iterator[None]:
    """psycopg warns of each statement that was sent along with one that the server refused. That one is reported."""
    log = logging.getLogger("psycopg")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _begin(connection: Connection) -> None:
    dialect: Any = connection.dialect
    if isinstance(dialect, LazyTransactions):  # another begins by itself
        connection.exec_driver_sql(dialect.begin_statement)
