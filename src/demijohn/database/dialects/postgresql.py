"""PostgreSQL by psycopg 3."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from demijohn.database.dialects.lazy import LazyTransactions


class PostgreSQL(LazyTransactions, PGDialect_psycopg):
    supports_statement_cache = True  # as for MySQL

    def in_transaction(self, connection: Any) -> bool:
        return connection.pgconn.transaction_status != 0  # type: ignore[no-any-return]  # libpq's PQTRANS_IDLE
