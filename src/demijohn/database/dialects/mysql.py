"""MySQL and MariaDB by PyMySQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.mysql import pymysql

from demijohn.database.dialects.connection import Connection
from demijohn.database.dialects.lazy import LazyTransactions

#: Cannot connect (2002, 2003, 2005), shutting down (1053), hung up before it had let anybody in (2006, 2013).
_ABSENT = frozenset((1053, 2002, 2003, 2005, 2006, 2013))

#: Started with --read-only (1290); in a transaction that only reads (1792); in a mode that only reads (1836).
_READ_ONLY = frozenset((1290, 1792, 1836))


class _Connects:
    """Connects as `Connection` does."""

    def connect(self, *args: Any, **options: Any) -> Any:
        return Connection(*args, **options)


class MySQL(LazyTransactions, _Connects, pymysql.MySQLDialect_pymysql):
    supports_statement_cache = True  # SQLAlchemy reads this from each class's own dict; without it: +330 us a statement

    def in_transaction(self, connection: Any) -> bool:
        return bool(connection.server_status & 1)  # SERVER_STATUS_IN_TRANS

    def begin(self, connection: Any) -> None:
        connection.begin()

    def is_absent(self, error: Any) -> bool:
        return bool(error.args) and error.args[0] in _ABSENT

    def is_read_only(self, error: Any) -> bool:
        return bool(error.args) and error.args[0] in _READ_ONLY
