"""SQLAlchemy's own dialects with one change: a transaction begins at the first statement that is not a plain read.

A SELECT through a stock SQLAlchemy session costs three round trips: BEGIN or nothing, the SELECT, and one or two
ROLLBACKs. Here connections are always in the driver's autocommit mode, BEGIN is sent before the first statement that
writes or locks, and COMMIT or ROLLBACK only when the driver says that a transaction is open. A read is one round trip;
a write is as atomic as ever.

The driver knows without asking: PyMySQL from the status flags of the last packet, libpq and sqlite3 from their state.

A connection can die at any moment: the server restarts, a proxy between forgets it, an administrator kills it. Where
nothing can be lost by that, because no transaction was open, the statement is run once more on a fresh connection and
nobody hears of it: every plain read, and the BEGIN before a write. A server that lets nobody in is left alone for a
second (`Outage`) before one caller finds out whether it is back; the others are told at once.
"""

from __future__ import annotations

import re
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.pool.base import _ConnectionFairy

from demijohn.errors import DatabaseDownError, StreamFromReplicaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from demijohn.outage import Outage

#: Execution option: the statement stands alone and needs no transaction of its own (one round trip, not three).
ALONE = "demijohn_alone"
#: Execution option: what follows is to happen at the primary, though the connection may be one to a replica.
MOVE = "demijohn_move"
#: Marks a place in the pool of a replica, in SQLAlchemy's `record_info`: the pool's engine.
REPLICA = "demijohn_replica"

#: Seconds that a server may take to let in whoever is asking now; None: as the settings say.
PATIENCE: ContextVar[float | None] = ContextVar("demijohn_patience", default=None)

_READ = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(SELECT|WITH|VALUES|SHOW|EXPLAIN|DESC|PRAGMA|BEGIN|START)\b", re.I | re.S
)
# The last two are locks of a connection, which must not be changed for another while they are held.
_LOCKS = re.compile(
    r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)\b|\bFOR\s+KEY\s+SHARE\b|\bLOCK\s+IN\s+SHARE\b"
    r"|\bGET_LOCK\b|\bpg_(?:try_)?advisory_",
    re.I,
)
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
    #: Whether the server lets anybody in. None, for SQLite: there is no server.
    outage: Outage | None = None
    #: What the log is told when the server lets no more connections in: `pool_size`, `max_overflow`, the processes that
    #: serve the site and what the server is said to allow, as far as they are known. And when it was told.
    limits: tuple[int, int, int | None, int | None] = (0, 0, None, None)
    told_refusal = float("-inf")
    #: Of a replica's dialect: where its connections go to write, and how another is had for one that has died.
    primary: Any = None
    replace: Any = None
    #: How many other connections are tried, where one has died: that of each other server may have died too.
    tries = 1

    def in_transaction(self, connection: Any) -> bool:
        """Whether a transaction is open on this driver connection; asks the driver, not the server."""
        raise NotImplementedError

    def is_absent(self, error: Any) -> bool:
        """Whether a refused connect means that nobody is there, rather than that this user may not come in."""
        return False

    def is_read_only(self, error: Any) -> bool:
        """Whether the server has refused because it takes no writes."""
        return False

    def is_disconnect(self, error: Any, connection: Any, cursor: Any) -> bool:
        """Connections to a server that takes no writes are dropped, too: after a failover they lead to what is now a
        replica, and would for ever, while new ones lead to the primary."""
        gone: bool = super().is_disconnect(error, connection, cursor)  # type: ignore[misc]
        return gone or self.is_read_only(error)

    # Connecting

    def connect(self, *args: Any, **options: Any) -> Any:
        outage = self.outage
        if outage is None:
            return super().connect(*args, **options)  # type: ignore[misc]
        if outage.down and not outage.may_ask():
            raise DatabaseDownError(outage.what)
        patience = PATIENCE.get()
        if patience is not None:
            options["connect_timeout"] = max(1, int(patience))
        try:
            connection = super().connect(*args, **options)  # type: ignore[misc]
        except self._errors as error:
            if self.is_absent(error):
                outage.failed(error)
                error.told = True  # and nobody need tell the log again
            else:
                from demijohn.database import refused  # hardly ever needed

                refused.tell(error, self)
                if outage.down:
                    outage.over()
            raise
        if outage.down:
            outage.over()
        return connection

    # Statements

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        cursor, at_stake = self._begin(cursor, statement, context)
        try:
            cursor.execute(statement, parameters)
        except self._errors as error:
            if at_stake:
                raise
            self._again(error, cursor, context, lambda cursor: cursor.execute(statement, parameters))

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        cursor, at_stake = self._begin(cursor, statement, context)
        try:
            cursor.execute(statement)
        except self._errors as error:
            if at_stake:
                raise
            self._again(error, cursor, context, lambda cursor: cursor.execute(statement))

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        cursor, _ = self._begin(cursor, statement, context)
        super().do_executemany(cursor, statement, parameters, context)  # type: ignore[misc]

    def do_rollback(self, dbapi_connection: Any) -> None:
        connection = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
        if self.in_transaction(connection):
            connection.rollback()

    def do_commit(self, dbapi_connection: Any) -> None:
        connection = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
        if not self.in_transaction(connection):
            return
        try:
            connection.commit()
        except self._errors as error:
            error.in_doubt = True  # if the connection is gone: it may have been carried out, and the answer lost
            raise

    @property
    def _errors(self) -> Any:
        return self.loaded_dbapi.Error  # type: ignore[attr-defined]

    def _begin(self, cursor: Any, sql: str, context: Any) -> tuple[Any, bool]:
        """Begin the transaction that `sql` needs, if it needs one that is not open yet. Returns the cursor to run it
        with, and whether something would be lost if the connection died now."""
        plain = is_read(sql)
        if self.primary is not None and context is not None:
            connection = context.root_connection
            if replica_of(connection) is not None and not (plain and MOVE not in context.execution_options):
                if self.in_transaction(cursor.connection):
                    raise StreamFromReplicaError
                cursor = self._move(connection, context)
        if self.in_transaction(cursor.connection):
            return cursor, True
        if plain and not (context is not None and context._is_server_side):
            return cursor, False
        if context is not None and context.execution_options.get(ALONE):
            return cursor, True
        try:
            self.begin(cursor.connection)
        except self._errors as error:
            cursor = self._again(error, cursor, context, lambda cursor: self.begin(cursor.connection))
        return cursor, True

    def begin(self, connection: Any) -> None:
        """Begin a transaction on this driver connection."""
        connection.cursor().execute(self.begin_statement)  # not by the statement's cursor: it may be a server's own

    # Another connection under a statement

    def _again(self, error: Any, cursor: Any, context: Any, run: Callable[[Any], object]) -> Any:
        """What failed with `error` once more, on another connection. Returns its cursor."""
        for _ in range(self.tries):
            cursor = self._renew(error, cursor, context)
            try:
                run(cursor)
                return cursor
            except self._errors as another:
                error = another
        raise error

    def _renew(self, error: Any, cursor: Any, context: Any) -> Any:
        """A cursor on a fresh connection, which takes the place of the one that has died with `error`; or on one to the
        primary, where a replica has refused because it takes no writes.

        :raises: `error`, if neither is so, or no other connection can be had.
        """
        connection = None if context is None else context.root_connection
        if connection is None or connection.invalidated:
            raise error
        if self.primary is not None and self.is_read_only(error) and replica_of(connection) is not None:
            cursor = self._move(connection, context)
            self.begin(cursor.connection)
            return cursor
        if not self._may_renew(error, connection, cursor, context):
            raise error
        died = connection._dbapi_connection
        engine = self._engine_of(connection)
        with suppress(self._errors):
            cursor.close()
        # As SQLAlchemy does it when it finds a dead one: those that were made before it are not believed any more.
        connection._is_disconnect = True
        engine.pool._invalidate(died, error, _checkin=False)
        connection.invalidate(error)
        try:
            fresh = engine.raw_connection() if engine.dialect.replace is None else engine.dialect.replace()
        except (self._errors, DatabaseDownError):
            raise error from None
        del connection._is_disconnect
        return _exchange(connection, fresh, context)

    def _may_renew(self, error: Any, connection: Any, cursor: Any, context: Any) -> bool:
        # Asked in vain for as long as the driver was told to wait: asking again would take as long again.
        if isinstance(error.__context__, TimeoutError):
            return False
        # The rows of an INSERT of many are fetched from the cursor that SQLAlchemy holds; and a connection that was
        # given an isolation level of its own is not replaced by one without.
        if context.execute_style.name == "INSERTMANYVALUES" or connection.get_execution_options().get(
            "isolation_level"
        ):
            return False
        # The pool is still making the first connection, and SQLAlchemy asks it for the server's version and modes.
        if not isinstance(connection._dbapi_connection, _ConnectionFairy):
            return False
        return self.is_disconnect(error, connection._dbapi_connection, cursor)

    def _engine_of(self, connection: Any) -> Any:
        """The engine that the driver connection comes from, which was perhaps exchanged for another's."""
        return replica_of(connection) or self.primary or connection.engine

    def _move(self, connection: Any, context: Any) -> Any:
        """A cursor on a connection to the primary, in the place of the one to a replica."""
        fresh = self.primary.raw_connection()
        context.cursor.close()
        connection._dbapi_connection.close()  # it goes back to its pool
        return _exchange(connection, fresh, context)


def replica_of(connection: Any) -> Any:
    """The engine of the replica that this SQLAlchemy connection goes to at the moment; None: to the primary."""
    record = connection._dbapi_connection.record_info  # `info` is not there yet when the first connection is made
    return None if record is None else record.get(REPLICA)


def _exchange(connection: Any, fresh: Any, context: Any) -> Any:
    """Put another driver connection under a SQLAlchemy connection. Not by its own means: it would first want the
    transaction to be rolled back, which for SQLAlchemy is open and for the server has never begun."""
    connection._dbapi_connection = context._dbapi_connection = fresh
    context.cursor = context.create_cursor()
    return context.cursor
