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
) -> sqlalchemy.Engine:
    """An engine for `url` that connects at the first use, survives a fork and costs one round trip a read.

    :param idle: a connection that has rested longer than this many seconds is replaced unasked; None: never.
    :raises sqlalchemy.exc.ArgumentError: `url` is not a database URL.
    :raises DriverMissingError: the database's driver is not installed.
    """
    address = sqlalchemy.make_url(url)
    driver = LAZY.get(address.drivername, address.drivername)
    kind = address.get_backend_name()
    lazy = driver != address.drivername
    options: dict[str, Any] = {"echo": echo}
    if lazy:
        options["isolation_level"] = "AUTOCOMMIT"
    if kind != "sqlite" or address.database not in (None, "", ":memory:"):
        options.update(pool_size=pool_size, max_overflow=max_overflow, pool_timeout=pool_timeout)
    if kind == "sqlite":
        options["connect_args"] = {"timeout": 30}  # seconds that a writer waits for another
    elif kind in ("mysql", "mariadb") and _is_near(address) and not any(k.startswith("ssl") for k in address.query):
        # Without this PyMySQL loads the system's CA bundle for each connection, 40 ms, and then does not use it.
        options["connect_args"] = {"ssl_disabled": True}
    try:
        engine = sqlalchemy.create_engine(address.set(drivername=driver), **options)
    except ModuleNotFoundError as error:
        raise DriverMissingError(kind, error.name) from error
    if kind == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        _watch_rest(engine, idle)
        if lazy:
            dialect: Any = engine.dialect
            dialect.outage = Outage(f"The database at {_place(address)}", log)
    # Two processes on one connection read each other's rows; the parent goes on using its own.
    in_child(engine, lambda forked: forked.dispose(close=False))
    return engine


def _place(address: sqlalchemy.URL) -> str:
    """Where the server is, in words for the log."""
    host = address.host or address.query.get("unix_socket") or address.query.get("host") or "localhost"
    return f"{host}:{address.port}" if address.port else str(host)


def _is_near(address: sqlalchemy.URL) -> bool:
    return "unix_socket" in address.query or address.host in (None, "localhost", "127.0.0.1", "::1")


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
