"""The ORM's side: the session class. Imported at the first use: SQLAlchemy takes 0.2 s."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NoReturn

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.orm import Session

from demijohn.database.dialects import LazyTransactions
from demijohn.errors import SessionEndedError

log = logging.getLogger("demijohn.database")


class RequestSession(Session):
    """A session that begins no transaction before it must, and ends none that has not begun.

    :param engine: made by `make_engine`.
    :param writes: begin the transaction before the first statement, so that what is read and then changed cannot change
        in between more than the isolation level allows. Otherwise it begins at the first write, if there is one.
    """

    def __init__(self, engine: sqlalchemy.Engine, writes: bool) -> None:
        # Objects stay readable after the commit: a streamed body, a template and a log line still show them.
        # A session that has been closed stays closed: whoever kept one past its request is told.
        super().__init__(bind=engine, expire_on_commit=False, close_resets_only=False)
        self.writes = writes
        self.held: sqlalchemy.Connection | None = None
        #: Whether it has been closed.
        self.over = False
        #: Whether anything has been flushed.
        self.wrote = False
        self._kept: list[Callable[[], object]] = []
        self._undone: list[Callable[[], object]] = []

    def close(self) -> None:
        """Close it for good: whoever uses it then is told. What was not committed is dropped."""
        self.end(_CLOSED)

    def invalidate(self) -> None:
        """As `close`, and the connection too: for one that was left in the middle of an answer."""
        super().invalidate()
        self.end(_CLOSED)

    def end(self, owner: str) -> None:
        """Close it for good, with `owner`, whose it was: `GET /notes`."""
        self.over = True
        try:
            super().close()
        finally:
            self.held = None
            # In the place of the method that each use of a session begins with: it costs those in use nothing.
            self.__dict__["_autobegin_t"] = partial(_refuse, owner)
        if self._kept or self._undone:
            self._run_undone()

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """As SQLAlchemy's, in three quarters of its time where nothing but a simple key is given: the statement is not
        built again each time."""
        if not options and type(ident) in (int, str):
            statement, key = _by_key(entity)
            if statement is not None and (entity, (ident,), None) not in self.identity_map:
                return self.scalar(statement, {key: ident})
        return super().get(entity, ident, **options)

    def finish(self) -> None:
        """Commit, unless it is plain that there is nothing to commit."""
        if self.over:  # by a handler that closes what it has been given, as it had to elsewhere
            return
        # Not active: something failed in a flush and was swallowed, which the commit is to tell.
        if self.writes or not self.is_active or not self._is_clean() or self.has_begun():
            self.commit()

    def has_begun(self) -> bool:
        """Whether the database has a transaction open for this session."""
        connection = self.held  # Session.connection() would tell too, in ten times the time
        if connection is None or connection.closed:
            return False
        if connection.invalidated:  # it has died, and whoever was told has told nobody; the commit will
            return True
        dialect: Any = connection.dialect
        if not isinstance(dialect, LazyTransactions):
            return True
        return dialect.in_transaction(connection.connection.dbapi_connection)

    def has_changes(self) -> bool:
        """Whether there is something that a rollback would drop. What Core statements have changed it does not know."""
        return self.wrote or not (self.over or self._is_clean())

    def redo(self, act: Callable[[], object]) -> None:
        """Have `act` called when this session has ended, if what was written on its connection by another than itself
        is rolled back with it."""
        if self.lend(to_read=False) is not None and self.has_begun():
            self._kept.append(act)

    def _run_undone(self) -> None:
        acts, self._undone, self._kept = self._undone + self._kept, [], []
        for act in acts:
            try:
                act()
            except Exception:
                log.exception("What a request was to keep though it was rolled back is lost")

    def use_primary(self) -> None:
        """Read from the primary from now on, if this session reads from a replica."""

    def may_have_written(self) -> bool:
        """Whether a replica may not know of what this session has done, or is about to do."""
        return not self._is_clean() or (self.held is not None if self.writes else self.has_begun())

    def lend(self, to_read: bool) -> sqlalchemy.Connection | None:
        """The connection that this session holds, for a statement that is not its own; None where it holds none, or
        where the statement writes and would become a part of an open transaction. On SQLite it becomes one: there is
        one writer in the whole file, so that on a connection of its own it would wait for this very request."""
        held = self.held
        if not self.is_active or held is None or held.closed:
            return None
        return held if to_read or held.dialect.name == "sqlite" or not self.has_begun() else None


#: What has ended where somebody has closed a session before its request was at its end.
_CLOSED = "With close() the work"


def _refuse(owner: str, begin: bool = False) -> NoReturn:
    raise SessionEndedError(owner)


@event.listens_for(RequestSession, "after_begin")
def _begin(session: Any, _transaction: Any, connection: sqlalchemy.Connection) -> None:
    session.held = connection
    dialect: Any = connection.dialect
    if not session.writes or not isinstance(dialect, LazyTransactions):
        return
    # Savepoints come by here too; on MySQL a second BEGIN would commit what the first began.
    if not dialect.in_transaction(connection.connection.dbapi_connection):
        connection.exec_driver_sql(dialect.begin_statement)


@event.listens_for(RequestSession, "before_flush")
def _begin_to_write(session: Any, _context: Any, _objects: Any) -> None:
    # By itself, so that on a connection that has died it can be sent again: an INSERT of many could not.
    if not session.writes and not session.has_begun():
        connection = session.connection()
        dialect: Any = connection.dialect
        if isinstance(dialect, LazyTransactions) and not session.has_begun():
            connection.exec_driver_sql(dialect.begin_statement)


@event.listens_for(RequestSession, "after_commit")
def _committed(session: Any) -> None:
    if session._kept and not session.has_begun():  # else it was a savepoint
        session._kept = []


@event.listens_for(RequestSession, "after_rollback")
def _rolled_back(session: Any) -> None:
    if session._kept and not session.has_begun():
        session._undone += session._kept
        session._kept = []


@event.listens_for(RequestSession, "after_flush")
def _flushed(session: Any, _context: Any) -> None:
    session.wrote = True


@lru_cache(maxsize=512)
def _by_key(entity: Any) -> tuple[Any, str]:
    """The statement that loads an `entity` by its key, and its parameter's name. (None, "") where loading it takes more
    than one plain statement and `Session.get` knows better: several key columns, inheritance, eager relationships."""
    mapper: Any = sqlalchemy.inspect(entity, raiseerr=False)
    if mapper is None or not mapper.is_mapper or len(mapper.primary_key) != 1 or mapper.always_refresh:
        return None, ""
    if mapper.inherits is not None or mapper.polymorphic_on is not None or mapper.class_ is not entity:
        return None, ""
    if any(relationship.lazy not in _LAZY for relationship in mapper.relationships):
        return None, ""
    return sqlalchemy.select(entity).where(mapper.primary_key[0] == sqlalchemy.bindparam("key")), "key"


#: The loading of relationships that adds nothing to the statement.
_LAZY = frozenset(("select", True, "raise", "raise_on_sql", "noload", "dynamic", "write_only"))
