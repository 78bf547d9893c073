"""The ORM's side: the declarative base and the session class. Imported at the first use: SQLAlchemy takes 0.2 s."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Session

from demijohn.database.dialects import LazyTransactions

#: Constraints with names can be dropped by a migration on every database.
NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def make_base() -> type[DeclarativeBase]:
    """A declarative base with tables of its own, so that two sites in one process do not mix theirs."""

    class Model(DeclarativeBase):
        metadata = sqlalchemy.MetaData(naming_convention=NAMES)

    return Model


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

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """As SQLAlchemy's, in three quarters of its time where nothing but a simple key is given: the statement is not
        built again each time."""
        if not options and type(ident) in (int, str):
            statement, key = _by_key(entity)
            if statement is not None and (entity, (ident,), None) not in self.identity_map:
                return self.scalars(statement, {key: ident}).one_or_none()
        return super().get(entity, ident, **options)

    def finish(self) -> None:
        """Commit, unless it is plain that there is nothing to commit."""
        # Not active: something failed in a flush and was swallowed, which the commit is to tell.
        if self.writes or not self.is_active or not self._is_clean() or self.has_begun():
            self.commit()

    def has_begun(self) -> bool:
        """Whether the database has a transaction open for this session."""
        connection = self.held  # Session.connection() would tell too, in ten times the time
        if connection is None or connection.closed:
            return False
        dialect: Any = connection.dialect
        if not isinstance(dialect, LazyTransactions):
            return True
        return dialect.in_transaction(connection.connection.dbapi_connection)

    def lend(self, to_read: bool) -> sqlalchemy.Connection | None:
        """The connection that this session holds, for a statement that is not its own; None where it holds none, or
        where the statement writes and would become a part of an open transaction. On SQLite it becomes one: there is
        one writer in the whole file, so that on a connection of its own it would wait for this very request."""
        held = self.held
        if not self.is_active or held is None or held.closed:
            return None
        return held if to_read or held.dialect.name == "sqlite" or not self.has_begun() else None


@event.listens_for(RequestSession, "after_begin")
def _begin(session: Any, _transaction: Any, connection: sqlalchemy.Connection) -> None:
    session.held = connection
    dialect: Any = connection.dialect
    if not session.writes or not isinstance(dialect, LazyTransactions):
        return
    # Savepoints come by here too; on MySQL a second BEGIN would commit what the first began.
    if not dialect.in_transaction(connection.connection.dbapi_connection):
        connection.exec_driver_sql(dialect.begin_statement)


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
