"""PostgreSQL by psycopg 3."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql import psycopg

from demijohn.database.dialects.lazy import LazyTransactions


class PostgreSQL(LazyTransactions, psycopg.PGDialect_psycopg):
    supports_statement_cache = True  # as for MySQL

    def in_transaction(self, connection: Any) -> bool:
        return connection.pgconn.transaction_status != 0  # type: ignore[no-any-return]  # libpq's PQTRANS_IDLE

    def begin(self, connection: Any) -> None:
        connection.execute(self.begin_statement)

    def is_absent(self, error: Any) -> bool:
        # What a server says has FATAL before it; that it is starting up or shutting down is as good as no answer.
        said = str(error)
        return "FATAL" not in said or "the database system is" in said

    def is_read_only(self, error: Any) -> bool:
        return bool(getattr(error, "sqlstate", None) == "25006")  # read_only_sql_transaction
