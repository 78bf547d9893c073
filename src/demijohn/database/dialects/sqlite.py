"""SQLite by the standard library."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.sqlite import pysqlite

from demijohn.database.dialects.lazy import LazyTransactions


class SQLite(LazyTransactions, pysqlite.SQLiteDialect_pysqlite):
    supports_statement_cache = True  # as for MySQL
    # A deferred BEGIN that turns into a write fails at once when another connection has written in between.
    begin_statement = "BEGIN IMMEDIATE"

    def in_transaction(self, connection: Any) -> bool:
        return connection.in_transaction  # type: ignore[no-any-return]

    def begin(self, connection: Any) -> None:
        connection.execute(self.begin_statement)
