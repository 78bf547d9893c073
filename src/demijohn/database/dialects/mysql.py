"""MySQL and MariaDB by PyMySQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from demijohn.database.dialects.lazy import LazyTransactions

#: Cannot connect (2002, 2003, 2005), shutting down (1053), hung up before it had let anybody in (2006, 2013).
_ABSENT = frozenset((1053, 2002, 2003, 2005, 2006, 2013))


class MySQL(LazyTransactions, MySQLDialect_pymysql):
    supports_statement_cache = True  # SQLAlchemy reads this from each class's own dict; without it: +330 us a statement

    def in_transaction(self, connection: Any) -> bool:
        return bool(connection.server_status & 1)  # SERVER_STATUS_IN_TRANS

    def begin(self, connection: Any) -> None:
        connection.begin()

    def is_absent(self, error: Any) -> bool:
        return bool(error.args) and error.args[0] in _ABSENT
