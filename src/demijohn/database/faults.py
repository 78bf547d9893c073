"""What the database's errors mean for a visitor."""

from __future__ import annotations

import logging
from typing import Any

import bottle
from sqlalchemy import exc
from sqlalchemy.orm import exc as orm_exc

from demijohn.errors import DatabaseDownError

log = logging.getLogger("demijohn.database")

#: MySQL and MariaDB: cannot connect (2002, 2003, 2005), shutting down (1053), hung up (1927, 2006, 2013). MariaDB's
#: error code reference.
_MYSQL_ABSENT = frozenset((1053, 1927, 2002, 2003, 2005, 2006, 2013))
#: Too many connections (1040, 1203, 1226), waited too long for a lock (1205), deadlock (1213).
_MYSQL_BUSY = frozenset((1040, 1203, 1205, 1213, 1226))
#: PostgreSQL's classes: connection, resources, operator intervention; and serialization failure, deadlock, a lock that
#: is not to be had. Its Appendix A.
_POSTGRESQL_BUSY = ("08", "53", "57", "40001", "40P01", "55P03")
#: What SQLite says of another that writes, a file that is not to be had, and a disk with no room.
_SQLITE = ("database is locked", "unable to open database file", "database or disk is full")

DOWN = "The database is not answering right now, and nothing was changed. Please try again in a moment."
BUSY = "The database is busy right now, and nothing was changed. Please try again in a moment."
IN_DOUBT = (
    "The database stopped answering while it was keeping your change, so it may or may not have been kept. Please look "
    "before you try again."
)
REFUSED = "The database refused a value: it is too long, out of range, or not of the right kind. Nothing was changed."
DETACHED = (
    "The session that this object was loaded with has been closed, with its request or its unit(). Load what will be "
    "needed while it is open: select(...).options(selectinload(...)); or load the object again in the session of here: "
    "db.get(type, key)."
)
#: Seconds after which asking again is worth it. A server that is back is noticed within one.
RETRY_AFTER = "2"


def answer(error: Exception) -> bottle.HTTPError | None:
    """The answer to a request that failed with `error`: 503 where waiting helps, 400 where a value was refused, and
    None where the fault is the site's own."""
    if isinstance(error, DatabaseDownError):  # of which the log has been told
        return bottle.HTTPError(503, DOWN, error, retry_after=RETRY_AFTER)
    if isinstance(error, exc.TimeoutError):
        log.error("No connection was free in time: raise database.pool_size, or find who keeps one. %s", error)
        return bottle.HTTPError(503, BUSY, error, retry_after=RETRY_AFTER)
    if isinstance(error, exc.DataError):
        log.warning("%s", error.orig)
        return bottle.HTTPError(400, REFUSED, error)
    if not isinstance(error, exc.DBAPIError):
        return None
    if error.connection_invalidated or _is_absence(error.orig):
        said, text = "is not answering", IN_DOUBT if getattr(error.orig, "in_doubt", False) else DOWN
    elif _is_passing(error.orig):
        said, text = "refuses for the moment", BUSY
    else:
        return None
    if not getattr(error.orig, "told", False):
        log.error("The database %s: %s", said, error.orig)
    return bottle.HTTPError(503, text, error, retry_after=RETRY_AFTER)


def is_outage(error: Exception) -> bool:
    """Whether `answer` has one for it: the fault is not the site's own. Tells nobody."""
    if isinstance(error, (DatabaseDownError, exc.TimeoutError, exc.DataError)):
        return True
    if not isinstance(error, exc.DBAPIError):
        return False
    return error.connection_invalidated or _is_absence(error.orig) or _is_passing(error.orig)


def is_busy(error: Exception) -> bool:
    """Whether the database has answered, but has no connection left, or has something locked."""
    cause: Any = getattr(error, "orig", None)
    text = str(cause)
    module = type(cause).__module__
    if module.startswith("pymysql"):
        return bool(cause.args) and cause.args[0] in _MYSQL_BUSY
    if module.startswith("psycopg"):  # what it refuses as it lets somebody in has no code
        return "too many clients" in text or "connection slots" in text or (cause.sqlstate or "")[:2] in ("53", "55")
    return module.startswith("sqlite3") and "database is locked" in text


def explain(error: Exception) -> None:
    """Add to the error of an object that has lost its session what can be done."""
    if isinstance(error, orm_exc.DetachedInstanceError) and DETACHED not in str(error.args[0]):
        error.args = (f"{error.args[0]}. {DETACHED}",)


def _is_absence(cause: Any) -> bool:
    """Whether the driver says that nobody is there."""
    module = type(cause).__module__
    if module.startswith("pymysql"):
        return bool(cause.args) and cause.args[0] in _MYSQL_ABSENT
    if module.startswith("psycopg") and cause.sqlstate is None:
        # A connection that never came up has none; that it took too long is a class of its own.
        return any(kind.__name__ == "OperationalError" for kind in type(cause).__mro__)
    return False


def _is_passing(cause: Any) -> bool:
    """Whether the database says that it would do later what it does not do now."""
    module = type(cause).__module__
    if module.startswith("pymysql"):
        return bool(cause.args) and cause.args[0] in _MYSQL_BUSY
    if module.startswith("psycopg"):
        return bool(cause.sqlstate) and cause.sqlstate.startswith(_POSTGRESQL_BUSY)
    if module.startswith("sqlite3"):
        return any(text in str(cause) for text in _SQLITE)
    return False
