"""The engine: one pool for each process, whose connections are checked when they have rested, never when they are
busy."""

from __future__ import annotations

import logging
import select
import time
from typing import Any

import sqlalchemy
from sqlalchemy import event

from demijohn.database.dialects import LAZY
from demijohn.database.tls import connect_args
from demijohn.errors import DriverMissingError
from demijohn.forks import in_child
from demijohn.outage import Outage

log = logging.getLogger("demijohn.database")

#: Seconds of rest after which a connection is looked at before it is used. Less is a busy connection: not looked at.
LOOK_AFTER = 1.0


def make_engine(
    url: str,
    *,
    pool_size: int = 5,
    max_overflow: int = 10,
    pool_timeout: float = 10.0,  # seconds
    idle: float | None = 25.0,  # seconds
    echo: bool = False,
    hide_parameters: bool = False,
    tls: str = "auto",
    tls_ca: str | None = None,
    connect_timeout: int = 5,  # seconds
    workers: int | None = None,
    max_connections: int | None = None,
    plain: bool = False,
) -> sqlalchemy.Engine:
    """An engine for `url` that connects at the first use, survives a fork and costs one round trip a read.

    :param idle: a connection that has rested longer than this many seconds is replaced unasked; None: never.
    :param hide_parameters: show a statement's values neither in errors nor with `echo`: passwords, visitors' words.
    :param tls: as `tls.connect_args` takes it; so are `tls_ca` and `connect_timeout`.
    :param workers: the processes that serve the site, and `max_connections`, what the database allows all of them: both
        only to tell the log, when the database lets no more connections in.
    :param plain: SQLAlchemy's own dialect and no pool: for a connection that must stay the same, as a lock's.
    :raises sqlalchemy.exc.ArgumentError: `url` is not a database URL.
    :raises DriverMissingError: the database's driver is not installed.
    :raises DatabaseTlsError: `tls_ca`, or what the URL says of TLS, cannot be used.
    """
    address = sqlalchemy.make_url(url)
    driver = address.drivername if plain else LAZY.get(address.drivername, address.drivername)
    kind = address.get_backend_name()
    lazy = driver != address.drivername
    options: dict[str, Any] = {"echo": echo, "hide_parameters": hide_parameters}
    if lazy:
        options["isolation_level"] = "AUTOCOMMIT"
    if plain:
        options["poolclass"] = sqlalchemy.NullPool
    elif kind != "sqlite" or address.database not in (None, "", ":memory:"):
        options.update(pool_size=pool_size, max_overflow=max_overflow, pool_timeout=pool_timeout)
        # The connection that has rested least comes first. Taken in turn, all of them would rest too long on a quiet
        # site, and be replaced again and again; so only those rest that nobody needs.
        options["pool_use_lifo"] = True
    if kind == "sqlite":
        options["connect_args"] = {"timeout": 30}  # seconds that a writer waits for another
    else:
        address, options["connect_args"] = connect_args(
            address, tls=tls, tls_ca=tls_ca, connect_timeout=connect_timeout
        )
    try:
        engine = sqlalchemy.create_engine(address.set(drivername=driver), **options)
    except ModuleNotFoundError as error:
        raise DriverMissingError(kind, error.name) from error
    if kind == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        _watch_rest(engine, idle)
        if plain and driver.endswith("+pymysql"):
            event.listen(engine, "do_connect", _connect_pymysql)  # which our own dialect does by itself
        if lazy:
            dialect: Any = engine.dialect
            dialect.outage = Outage(f"The database at {_place(address)}", log)
            dialect.limits = pool_size, max_overflow, workers, max_connections
    # Two processes on one connection read each other's rows; the parent goes on using its own.
    in_child(engine, lambda forked: forked.dispose(close=False))
    return engine


def _connect_pymysql(_dialect: Any, _record: Any, args: Any, options: Any) -> Any:
    from demijohn.database.dialects.connection import Connection

    return Connection(*args, **options)


def _place(address: sqlalchemy.URL) -> str:
    """Where the server is, in words for the log."""
    host = address.host or address.query.get("unix_socket") or address.query.get("host") or "localhost"
    return f"{host}:{address.port}" if address.port else str(host)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=ON")  # as every other database has it


def _watch_rest(engine: sqlalchemy.Engine, idle: float | None) -> None:
    """Replace a connection that the server has hung up on, or is about to, before a request meets it."""

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["rests since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _fairy: Any) -> None:
        since = record.info.get("rests since")
        if since is None:
            return
        rest = time.monotonic() - since
        if rest < LOOK_AFTER:
            return
        if (idle is not None and rest > idle) or _has_news(connection):
            raise sqlalchemy.exc.DisconnectionError("the connection has rested too long")  # the pool makes another


def _has_news(connection: Any) -> bool:
    """Whether anything waits to be read on a connection at rest. It can only be the server's farewell."""
    if hasattr(connection, "fileno"):  # psycopg
        descriptor = connection.fileno()
    elif getattr(connection, "_sock", None) is not None:  # PyMySQL
        descriptor = connection._sock.fileno()
    else:
        return False
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
