"""Reads from replicas, writes to the primary.

A safe request reads from one of the replicas until its first statement that writes or locks. Then its connection is
exchanged for one to the primary, where it stays. Who has written reads the primary for some seconds, because a replica
is behind; a cookie says so: it needs no store, it is there in every process, and it goes by itself.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from demijohn.database.dialects import MOVE, REPLICA, LazyTransactions, replica_of
from demijohn.database.engine import make_engine
from demijohn.database.orm import RequestSession
from demijohn.errors import DatabaseDownError

log = logging.getLogger("demijohn.database")

#: The cookie of a visitor who has written: when, in seconds since 1970.
COOKIE = "wrote"
#: Seconds for which a replica that is down is not asked again.
PAUSE = 10.0


class Replicas:
    """The replicas of one primary.

    :param primary: the engine that writes.
    :param urls: the replicas' addresses.
    :param choice: who is asked next: `round-robin`, or `random`.
    :param lag: seconds for which who has written reads the primary.
    :param options: as `make_engine` takes them; the pool is that large for each replica.
    """

    def __init__(
        self, primary: sqlalchemy.Engine, urls: Sequence[str], *, choice: str, lag: float, **options: Any
    ) -> None:
        self.primary = primary
        self.lag = lag
        self.engines = [self._make(url, options) for url in urls]
        for engine in self.engines:
            dialect: Any = engine.dialect
            dialect.tries = len(urls) + 1
        self._random = choice == "random"
        # Each process begins elsewhere: else all the first requests after a start would go to the same one.
        self._turns = itertools.count(random.SystemRandom().randrange(len(urls)))

    def connect(self) -> sqlalchemy.Connection:
        """A connection to a replica that is up; to the primary, if none is."""
        for engine in self._order():
            try:
                return engine.connect()
            except (DBAPIError, DatabaseDownError) as error:
                _tell(engine, error)
        return self.primary.connect()

    def session(self) -> ReplicaSession:
        """The session of a request that will hardly write."""
        return ReplicaSession(self)

    def close(self) -> None:
        for engine in self.engines:
            engine.dispose()

    def has_written(self, environ: dict[str, Any]) -> bool:
        """Whether this visitor has written so lately that a replica may not know of it."""
        cookies = environ.get("HTTP_COOKIE", "")
        if COOKIE not in cookies:
            return False
        for pair in cookies.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE:
                digits = unquote(value)
                # Either way: the clock of the machine that set it may be ahead of this one's.
                return digits.isdecimal() and len(digits) < 12 and abs(time.time() - int(digits)) <= self.lag
        return False

    def cookie(self, environ: dict[str, Any]) -> tuple[str, str]:
        """The header that has this visitor read the primary from now on."""
        # Rounded up, as the time that the browser keeps it: rather a second too long.
        value = f"{COOKIE}={int(time.time()) + 1}; Max-Age={int(self.lag) + 1}; Path=/; HttpOnly; SameSite=Lax"
        return "Set-Cookie", value + ("; Secure" if environ.get("wsgi.url_scheme") == "https" else "")

    def _order(self) -> Iterator[sqlalchemy.Engine]:
        if self._random:
            return iter(random.sample(self.engines, len(self.engines)))
        first = next(self._turns) % len(self.engines)
        return iter(self.engines[first:] + self.engines[:first])

    def _make(self, url: str, options: dict[str, Any]) -> sqlalchemy.Engine:
        engine = make_engine(url, **options)
        dialect: Any = engine.dialect
        if not isinstance(dialect, LazyTransactions):
            raise TypeError("Replicas need one of the drivers pymysql, psycopg or sqlite3.")
        dialect.primary = self.primary
        dialect.replace = self._replace
        if dialect.outage is not None:
            dialect.outage.pause = PAUSE
        event.listen(engine, "connect", _mark(engine))
        return engine

    def _replace(self) -> Any:
        """A driver connection in place of one to a replica that has died in use."""
        for engine in self._order():
            driver: Any = engine.dialect.loaded_dbapi
            try:
                return engine.raw_connection()
            except (driver.Error, DatabaseDownError) as error:
                _tell(engine, error)
        return self.primary.raw_connection()


class ReplicaSession(RequestSession):
    """The session of a safe request that reads from a replica until it writes."""

    def __init__(self, replicas: Replicas) -> None:
        super().__init__(replicas.primary, writes=False)
        self._replicas = replicas
        self._own: sqlalchemy.Connection | None = None
        self._insists = False
        self._moved = False  # of what has been committed so far

    @property
    def on_replica(self) -> bool:
        """Whether the connection that it has now is one to a replica."""
        own = self._own
        return own is not None and not own.invalidated and replica_of(own) is not None

    def use_primary(self) -> None:
        self._insists = True
        if self._own is not None and self.on_replica:
            # A statement of its own, so that what goes wrong is told as of any other. A transaction will be needed.
            dialect: Any = self._own.dialect
            self._own.exec_driver_sql(dialect.begin_statement, execution_options={MOVE: True})

    def get_bind(self, mapper: Any = None, **options: Any) -> Any:
        if options.get("bind") is not None:
            return options["bind"]
        if self._own is None or self._own.closed:
            primary: Any = self.bind
            self._own = primary.connect() if self._insists else self._replicas.connect()
        return self._own

    # What is going to write says so before its statement has a cursor, which an INSERT of many would keep.

    def flush(self, objects: Any = None) -> None:
        if not self._is_clean():
            self.use_primary()
        super().flush(objects)

    def execute(self, statement: Any, *args: Any, **options: Any) -> Any:
        self._look(statement)
        return super().execute(statement, *args, **options)

    def scalars(self, statement: Any, *args: Any, **options: Any) -> Any:
        self._look(statement)
        return super().scalars(statement, *args, **options)

    def scalar(self, statement: Any, *args: Any, **options: Any) -> Any:
        self._look(statement)
        return super().scalar(statement, *args, **options)

    def connection(self, *args: Any, **options: Any) -> sqlalchemy.Connection:
        self.use_primary()  # nobody knows what for
        return super().connection(*args, **options)

    def _look(self, statement: Any) -> None:
        if getattr(statement, "is_dml", False):
            self.use_primary()

    # The connection is the session's own

    def lend(self, to_read: bool) -> sqlalchemy.Connection | None:
        return None if self.on_replica else super().lend(to_read)

    def has_begun(self) -> bool:
        return not self.on_replica and super().has_begun()

    def may_have_written(self) -> bool:
        return self._moved or super().may_have_written()

    def commit(self) -> None:
        self._moved = self.may_have_written()
        super().commit()
        self._release()

    def rollback(self) -> None:
        super().rollback()
        self._release()

    def end(self, owner: str) -> None:
        try:
            super().end(owner)
        finally:
            self._release()

    def _release(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            own.close()


def _mark(engine: sqlalchemy.Engine) -> Callable[[Any, Any], None]:
    def mark(_connection: Any, record: Any) -> None:
        record.record_info[REPLICA] = engine

    return mark


def _tell(engine: sqlalchemy.Engine, error: Any) -> None:
    """Tell the log of a replica that could not be had, if nobody has."""
    cause = getattr(error, "orig", None) or error
    if not getattr(cause, "told", False):
        log.error("The replica %s lets nobody in, so another is asked: %s", engine.url.host or engine.url, cause)
