"""What to say when the server lets no more connections in. It does not know what the site may open, and where to say
otherwise."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

log = logging.getLogger("demijohn.database")

#: Seconds between two messages of one engine. A server that is full refuses many connections a second.
SAID = 60.0
#: Too many connections for the server (1040), for the user by its grant (1203), by another limit of its own (1226).
_MYSQL = frozenset((1040, 1203, 1226))
#: PostgreSQL's 53300, which a connection that never came up does not carry; and what PgBouncer and its kin say.
_POSTGRESQL = re.compile(
    r"too many (clients|connections)|remaining connection slots|no more connections allowed|max client connections",
    re.I,
)


def tell(cause: Any, dialect: Any) -> None:
    """Have the log told, once a minute, how many connections this site may open, if the error of a connect says that
    there are too many."""
    if not is_refusal(cause):
        return
    cause.told = True  # and nobody need tell the log again
    now = time.monotonic()
    if now - dialect.told_refusal >= SAID:
        dialect.told_refusal = now
        log.error("%s", sentence(cause, *dialect.limits))


def is_refusal(cause: Any) -> bool:
    """Whether this error of a driver says that there are too many connections."""
    module = type(cause).__module__
    if module.startswith("pymysql"):
        code = cause.args[0] if cause.args else None
        # 1226 is also said of queries in an hour.
        return code in _MYSQL and (code != 1226 or "user_connections" in str(cause))
    if module.startswith("psycopg"):
        return cause.sqlstate == "53300" or (cause.sqlstate is None and bool(_POSTGRESQL.search(str(cause))))
    return False


def sentence(cause: Any, pool_size: int, max_overflow: int, workers: int | None, max_connections: int | None) -> str:
    each = pool_size + max_overflow
    sum_ = f"database.pool_size {pool_size} + database.max_overflow {max_overflow} = {each} connections"
    if workers is None:
        sum_ = f"each process of this site may open {sum_}"
    else:
        sum_ = f"this site may open {workers * each}: server.workers {workers}, each with {sum_}"
    advice = "database.max_connections to what the database allows, and they follow from it"
    if max_connections is not None:
        advice = f"database.max_connections, which is {max_connections}, to what the database allows"
    return (
        f"The database lets no more connections in ({cause}), and {sum_}; release commands, jobs and other instances "
        f"of the site come on top. Set {advice}; or make them smaller yourself."
    )
