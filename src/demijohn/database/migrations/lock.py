"""One process at a time migrates a database; the others wait.

A server's lock belongs to the connection that migrates: a process that is killed loses both at once. It is keyed by the
database, so that two sites on one server do not wait for each other. SQLite has no other lock than its file's, which is
the transaction itself.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy
from sqlalchemy import event, exc

from demijohn.errors import MigrationError, MigrationLockedError

#: Seconds that a server is asked to wait in one statement: shorter than the time-outs of drivers and proxies.
SLICE = 2
#: Seconds between two questions, where the server is not asked to wait.
PAUSE = 0.1
#: PostgreSQL keys its locks by numbers; this one is nothing but ours.
_KEY = 1684367722


@contextlib.contextmanager
def locked(connection: sqlalchemy.Connection, wait: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the connection's database. On SQLite it is taken by each transaction that begins in the block.

    :param wait: seconds at most.
    :param tell: called once with a sentence if there is somebody to wait for.
    :raises MigrationLockedError: it was not free in time.
    """
    waiting = _Waiting(wait, tell)
    kind = connection.dialect.name
    if kind == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.isolation_level = None  # or Python begins transactions by itself, before some statements
        driver.execute("PRAGMA busy_timeout=200")
        # With them on, a table that is made anew to alter it takes the rows along that refer to it.
        # SQLite's "Making Other Kinds Of Table Schema Changes".
        driver.execute("PRAGMA foreign_keys=OFF")
        event.listen(connection, "begin", lambda begun: _begin(begun, waiting))
        yield
        return
    ask, release = _STATEMENTS[kind]
    while not connection.exec_driver_sql(ask).scalar():
        connection.rollback()  # a transaction at rest would hold up CREATE INDEX CONCURRENTLY, which waits for all
        waiting.turn(PAUSE if kind == "postgresql" else 0)
    connection.commit()
    # Somebody else's transaction that was never ended holds up an ALTER, too: MySQL would wait for a day.
    connection.exec_driver_sql(_PATIENCE[kind].format(max(1, int(wait))))
    connection.commit()
    event.listen(connection.engine, "connect", _refuse)
    try:
        yield
    finally:
        event.remove(connection.engine, "connect", _refuse)
        with contextlib.suppress(exc.SQLAlchemyError):  # where the connection is gone, so is the lock
            connection.rollback()
            connection.exec_driver_sql(release)
            connection.commit()


#: MySQL's names are the server's, of 64 characters at most; PostgreSQL's numbers are the database's.
_NAME = "CONCAT('demijohn:', SHA1(DATABASE()))"
_STATEMENTS = {
    "mysql": (f"SELECT GET_LOCK({_NAME}, {SLICE})", f"SELECT RELEASE_LOCK({_NAME})"),
    "postgresql": (
        f"SELECT pg_try_advisory_lock({_KEY}, hashtext(current_schema()))",
        f"SELECT pg_advisory_unlock({_KEY}, hashtext(current_schema()))",
    ),
}
_STATEMENTS["mariadb"] = _STATEMENTS["mysql"]
_PATIENCE = {"mysql": "SET SESSION lock_wait_timeout = {}", "postgresql": "SET lock_timeout = '{}s'"}
_PATIENCE["mariadb"] = _PATIENCE["mysql"]


def _refuse(fresh: Any, _record: Any) -> None:
    """The connection has died and is about to be replaced by one that does not hold the lock."""
    fresh.close()
    raise MigrationError(
        "The connection to the database was lost, and the lock with it. Nothing more is done, since another process "
        "may be migrating by now."
    )


class _Waiting:
    def __init__(self, wait: float, tell: Callable[[str], None]) -> None:
        self._wait = wait
        self._tell = tell
        self._until = time.monotonic() + wait
        self._told = False

    def turn(self, pause: float) -> None:
        """Somebody else has it: say so once, and rest."""
        if not self._told:
            self._told = True
            self._tell(f"Another process is migrating this database. Waiting for it, {self._wait:g} s at most.")
        if time.monotonic() >= self._until:
            raise MigrationLockedError(self._wait)
        time.sleep(pause)


def _begin(connection: sqlalchemy.Connection, waiting: _Waiting) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    driver: Any = connection.connection.driver_connection
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except connection.dialect.loaded_dbapi.OperationalError as error:
            if "locked" not in str(error):
                raise
        waiting.turn(PAUSE)
