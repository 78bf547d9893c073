"""The ORM's side: the declarative base and the session class. Imported at the first use: SQLAlchemy takes 0.2 s."""

from __future__ import annotations

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


def make_session_class(engine: sqlalchemy.Engine) -> type[Session]:
    """The session class of one database.

    `writes`: an unsafe request's session begins its transaction before its first statement, so that what it reads and
    then changes cannot change in between more than the isolation level allows. A safe request's begins at its first
    write, if there is one.
    """

    class BoundSession(Session):
        writes = True

        def __init__(self) -> None:
            # Objects stay readable after the commit: a streamed body, a template and a log line still show them.
            # A session that has been closed stays closed: whoever kept one past its request is told.
            super().__init__(bind=engine, expire_on_commit=False, close_resets_only=False)

    @event.listens_for(BoundSession, "after_begin")
    def begin(session: Any, _transaction: Any, connection: sqlalchemy.Connection) -> None:
        dialect: Any = connection.dialect
        if not session.writes or not isinstance(dialect, LazyTransactions):
            return
        # Savepoints come by here too; on MySQL a second BEGIN would commit what the first began.
        if not dialect.in_transaction(connection.connection.dbapi_connection):
            connection.exec_driver_sql(dialect.begin_statement)

    return BoundSession
