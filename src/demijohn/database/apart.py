"""An engine beside the site's own, for what must neither take its connections nor wait long: tickets of errors."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import event

from demijohn.database.engine import make_engine
from demijohn.database.hurry import LATE, limit

if TYPE_CHECKING:
    from demijohn.database.plugin import Database

#: Seconds for a connection, the greeting included, and for a statement. libpq takes no less.
PATIENCE = 2
#: Milliseconds that SQLite waits for another that writes.
SQLITE = 250


def apart(db: Database) -> sqlalchemy.Engine:
    """An engine in autocommit mode that keeps no connection and waits for nothing longer than PATIENCE.

    An SQLite file that is not there is an error: it is not made for this.
    """
    url = sqlalchemy.make_url(db.url)
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _sqlite(db, url)
    limits = {
        "mysql": {"read_timeout": str(PATIENCE), "write_timeout": str(PATIENCE)},
        "mariadb": {"read_timeout": str(PATIENCE), "write_timeout": str(PATIENCE)},
        "postgresql": {"options": f"-c statement_timeout={PATIENCE}s -c lock_timeout={PATIENCE}s"},
    }.get(kind, {})
    url = url.update_query_dict({name: value for name, value in limits.items() if name not in url.query})
    options: dict[str, Any] = {**db._options, "connect_timeout": PATIENCE, "plain": True}
    engine = make_engine(url.render_as_string(hide_password=False), **options)
    if kind == "postgresql":
        _end_waiting(engine)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _end_waiting(engine: sqlalchemy.Engine) -> None:
    """Wait no longer for an answer, though the server is frozen: its own limits end nothing then."""

    @event.listens_for(engine, "connect")
    def hurry(connection: Any, _record: Any) -> None:
        limit("postgresql", connection, PATIENCE)

    @event.listens_for(engine, "handle_error")
    def give_up(context: Any) -> None:
        context.is_disconnect = context.is_disconnect or str(context.original_exception) == LATE


def _sqlite(db: Database, url: sqlalchemy.URL) -> sqlalchemy.Engine:
    name = url.database or ":memory:"
    if name == ":memory:" or "mode=memory" in name:
        return db.engine  # another connection would lead to another database
    engine = make_engine(db.url, **{**db._options, "plain": True})

    @event.listens_for(engine, "do_connect")
    def look(_dialect: Any, _record: Any, _args: Any, _options: Any) -> None:
        if not name.startswith("file:") and not os.path.exists(name):
            raise sqlite3.OperationalError(f"there is no file {name}")

    @event.listens_for(engine, "connect")
    def hurry(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={SQLITE}")

    return engine.execution_options(isolation_level="AUTOCOMMIT")
