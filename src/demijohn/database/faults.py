"""What the database's errors mean for a visitor."""

from __future__ import annotations

import logging
from typing import Any

import bottle
from sqlalchemy import exc

from demijohn.errors import DatabaseDownError

log = logging.getLogger("demijohn.database")

#: MySQL and MariaDB: cannot connect (2002, 2003, 2005), too many connections (1040, 1203, 1226), shutting down (1053),
#: hung up (1927, 2006, 2013), waited too long for a lock (1205), deadlock (1213). MariaDB's error code reference.
_MYSQL = frozenset((1040, 1053, 1203, 1205, 1213, 1226, 1927, 2002, 2003, 2005, 2006, 2013))
#: PostgreSQL's classes: connection, resources, operator intervention; and serialization failure, deadlock. Its
#: Appendix A.
_POSTGRESQL = ("08", "53", "57", "40001", "40P01", "55P03")

BUSY = "The database is not answering right now, and nothing was changed. Please try again in a moment."
IN_DOUBT = (
    "The database stopped answering while it was keeping your change, so it may or may not have been kept. Please look "
    "before you try again."
)
REFUSED = "The database refused a value: it is too long, out of range, or not of the right kind. Nothing was changed."
#: Seconds after which asking again is worth it. A server that is back is noticed within one.
RETRY_AFTER = "2"


def answer(error: Exception) -> bottle.HTTPError | None:
    """The answer to a request that failed with `error`: 503 where waiting helps, 400 where a value was refused, and
    None where the fault is the site's own."""
    if isinstance(error, DatabaseDownError):  # of which the log has been told
        return bottle.HTTPError(503, BUSY, error, retry_after=RETRY_AFTER)
    if isinstance(error, exc.TimeoutError):
        log.error("No connection was free in time: raise database.pool_size, or find who keeps one. %s", error)
        return bottle.HTTPError(503, BUSY, error, retry_after=RETRY_AFTER)
    if isinstance(error, exc.DataError):
        log.warning("%s", error.orig)
        return bottle.HTTPError(400, REFUSED, error)
    if isinstance(error, exc.DBAPIError) and (error.connection_invalidated or _is_passing(error.orig)):
        if not getattr(error.orig, "told", False):
            log.error("The database is not answering: %s", error.orig)
        in_doubt = error.connection_invalidated and getattr(error.orig, "in_doubt", False)
        return bottle.HTTPError(503, IN_DOUBT if in_doubt else BUSY, error, retry_after=RETRY_AFTER)
    return None


def _is_passing(cause: Any) -> bool:
    module = type(cause).__module__
    if module.startswith("pymysql"):
        return bool(cause.args) and cause.args[0] in _MYSQL
    if module.startswith("psycopg"):
        # A connection that never came up has no SQLSTATE.
        return cause.sqlstate.startswith(_POSTGRESQL) if cause.sqlstate else type(cause).__name__ == "OperationalError"
    if module.startswith("sqlite3"):
        return any(text in str(cause) for text in ("database is locked", "unable to open database file"))
    return False
