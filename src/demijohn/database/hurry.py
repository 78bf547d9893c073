"""Asking the database how it is, or what it says of maintenance, and giving up in time: by the drivers' own time
limits, for there may be no threads, on the connections of the pool, for to make another each time costs more than to
ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import QueuePool

from demijohn.database.dialects import PATIENCE

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.database.plugin import Database

LATE = "the database did not answer in time"
#: Milliseconds that SQLite waits for another that writes, if nobody is in a hurry: as `make_engine` sets it.
_SQLITE = 30_000


@contextmanager
def hurried(db: Database, seconds: float) -> Iterator[sqlalchemy.Connection]:
    """A connection, each of whose answers is waited for so long. It is for questions: what fails is never tried again,
    and the connection is given up with it.

    Where all of the pool's are taken, one is made for it: perhaps they are all waiting for a server that is silent.
    """
    hurry = PATIENCE.set(seconds)
    try:
        with _engine(db).connect() as connection:
            dbapi: Any = connection.connection.dbapi_connection
            leave = limit(connection.dialect.name, dbapi, seconds)
            try:
                yield connection
            except BaseException:
                connection.invalidate()  # it may be in the middle of an answer
                raise
            with suppress(Exception):
                leave()
    finally:
        PATIENCE.reset(hurry)


def _engine(db: Database) -> sqlalchemy.Engine:
    pool = db.engine.pool
    if isinstance(pool, QueuePool) and pool.checkedout() >= pool.size() + pool._max_overflow:
        from demijohn.database.apart import apart

        return apart(db)
    return db.engine


def limit(kind: str, dbapi: Any, seconds: float) -> Callable[[], object]:
    """Have each answer on this driver connection waited for so long. Then it is in the midst of one, and of no use.
    Returns what ends that."""
    if kind == "mysql":
        before = dbapi._read_timeout, dbapi._write_timeout
        dbapi._read_timeout = dbapi._write_timeout = seconds

        def leave() -> None:
            dbapi._read_timeout, dbapi._write_timeout = before

        return leave
    if kind == "postgresql":
        wait = dbapi.wait

        def within(gen: Any, *args: Any, **options: Any) -> Any:
            return wait(_within(gen, time.monotonic() + seconds), *args, **options)

        dbapi.wait = within
        return lambda: delattr(dbapi, "wait")
    dbapi.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")
    return lambda: dbapi.execute(f"PRAGMA busy_timeout={_SQLITE}")


def _within(gen: Generator[Any, Any, Any], until: float) -> Generator[Any, Any, Any]:
    """What psycopg does for an answer, ended at `until`. psycopg comes by every tenth of a second while it waits."""
    try:
        state = next(gen)
        while True:
            ready = yield state
            if not ready and time.monotonic() > until:
                from psycopg import OperationalError

                raise OperationalError(LATE)
            state = gen.send(ready)
    except StopIteration as end:
        return end.value
