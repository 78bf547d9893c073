"""SQLAlchemy's own dialects with one change: a transaction begins at the first statement that is not a plain read.

A SELECT through a stock SQLAlchemy session costs three round trips: BEGIN or nothing, the SELECT, and one or two
ROLLBACKs. Here connections are always in the driver's autocommit mode, BEGIN is sent before the first statement that
writes or locks, and COMMIT or ROLLBACK only when the driver says that a transaction is open. A read is one round trip;
a write is as atomic as ever.

The driver knows without asking: PyMySQL from the status flags of the last packet, libpq and sqlite3 from their state.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

#: Execution option: the statement stands alone and needs no transaction of its own (one round trip, not three).
ALONE = "demijohn_alone"

_READ = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(SELECT|WITH|VALUES|SHOW|EXPLAIN|DESC|PRAGMA|BEGIN|START)\b", re.I | re.S
)
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)\b|\bFOR\s+KEY\s+SHARE\b|\bLOCK\s+IN\s+SHARE\b", re.I)
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.I)


@lru_cache(maxsize=2048)
def is_read(sql: str) -> bool:
    """Whether `sql` neither writes nor locks, as far as its text tells. A SELECT of a function that writes is taken for
    a read: it is then a transaction of its own."""
    match = _READ.match(sql)
    if match is None or _LOCKS.search(sql):
        return False
    # PostgreSQL allows WITH gone AS (DELETE ...) SELECT ..., and EXPLAIN ANALYZE runs what it explains.
    return match[1].upper() not in ("WITH", "EXPLAIN") or not _WRITES.search(sql)


class LazyTransactions:
    """Mixed in before a stock dialect, whose engine must be made with `isolation_level="AUTOCOMMIT"`."""

    begin_statement = "BEGIN"

    def in_transaction(self, connection: Any) -> bool:
        """Whether a transaction is open on this driver connection; asks the driver, not the server."""
        raise NotImplementedError

    def _before(self, cursor: Any, sql: str, context: Any) -> None:
        if is_read(sql) and not (context is not None and context._is_server_side):
            return
        if context is not None and context.execution_options.get(ALONE):
            return
        if not self.in_transaction(cursor.connection):
            cursor.execute(self.begin_statement)

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._before(cursor, statement, context)
        cursor.execute(statement, parameters)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        self._before(cursor, statement, context)
        cursor.execute(statement)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._before(cursor, statement, context)
        super().do_executemany(cursor, statement, parameters, context)  # type: ignore[misc]

    def do_rollback(self, dbapi_connection: Any) -> None:
        connection = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
        if self.in_transaction(connection):
            connection.rollback()

    def do_commit(self, dbapi_connection: Any) -> None:
        connection = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
        if self.in_transaction(connection):
            connection.commit()
