"""The pool and the server: never more connections than it may open, and what is said when the server has no room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from demijohn.database import refused
from tests.services import MariaDB, PostgreSQL
from tests.shop import Shop

COUNTS = {
    "mariadb": "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'site'",
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'site'",
}
SLEEPS = {"mariadb": "SELECT SLEEP(0.02)", "postgresql": "SELECT pg_sleep(0.02)"}


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_fifty_threads_share_five_connections(kind: str, request: pytest.FixtureRequest) -> None:
    server: MariaDB | PostgreSQL = request.getfixturevalue(kind)
    shop = Shop(request.getfixturevalue(f"{kind}_url"), pool_size=5, max_overflow=0, pool_timeout=30)

    @shop.app.get("/slow")
    def slow(db: Any) -> str:
        db.execute(text(SLEEPS[kind]))
        return "slept"

    shop.db.close()
    server.hang_up()  # who has closed a connection does not wait until the server has, too
    done, most = threading.Event(), 0

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, server.execute(COUNTS[kind])[0][0])

    watching = threading.Thread(target=watch)
    watching.start()
    with server.statements() as seen, ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: shop.client.get("/slow").status, range(300)))
    done.set()
    watching.join()
    assert answers == [200] * 300
    assert most == 5, "all of them, and not one more"
    assert seen.connections == 5
    assert shop.checked_out == 0
    shop.db.close()


@pytest.fixture(params=["mariadb", "postgresql"])
def full(request: pytest.FixtureRequest) -> Iterator[str]:
    """The url of a database whose server allows this account two connections."""
    server: MariaDB | PostgreSQL = request.getfixturevalue(request.param)
    url: str = request.getfixturevalue(f"{request.param}_url")
    limit, none = ("ALTER ROLE site CONNECTION LIMIT {}", -1)
    if isinstance(server, MariaDB):
        limit, none = ("ALTER USER 'site'@'%' WITH MAX_USER_CONNECTIONS {}", 0)
    server.hang_up()  # nobody else's counts
    server.execute(limit.format(2))
    yield url
    server.execute(limit.format(none))


def test_a_full_server_is_told_with_the_settings(full: str, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(full, pool_size=3, max_overflow=4, workers=2)
    shop.read_and_write()
    with shop.db.engine.connect(), shop.db.engine.connect():
        for _ in range(5):
            answer = shop.client.get("/read")
            assert answer.status == 503
            assert answer.header("Retry-After") == "2"
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "this site may open 14: server.workers 2, each with database.pool_size 3 + database.max_overflow 4 = 7 " in (
        record.getMessage()
    )
    assert "Set database.max_connections to what the database allows" in record.getMessage()
    assert "secret" not in record.getMessage()
    assert shop.client.get("/read").status == 200
    shop.db.close()


def test_what_is_said_where_less_or_more_is_known() -> None:
    assert "and each process of this site may open database.pool_size 5 + database.max_overflow 10 = 15" in (
        refused.sentence("no", 5, 10, None, None)
    )
    assert "Set database.max_connections, which is 20, to what the database allows" in (
        refused.sentence("no", 5, 0, 4, 20)
    )


def _error(module: str, *args: object, sqlstate: str | None = None) -> Exception:
    error = type("OperationalError", (Exception,), {"__module__": module, "sqlstate": sqlstate})(*args)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (_error("pymysql.err", 1040, "Too many connections"), True),
        (_error("pymysql.err", 1203, "User site already has more than 'max_user_connections'"), True),
        (_error("pymysql.err", 1226, "User 'site' has exceeded the 'max_user_connections' resource"), True),
        (_error("pymysql.err", 1226, "User 'site' has exceeded the 'max_questions' resource"), False),
        (_error("pymysql.err", 2003, "Can't connect"), False),
        (_error("psycopg", "FATAL:  sorry, too many clients already"), True),
        (_error("psycopg.errors", 'FATAL:  too many connections for role "site"'), True),
        (_error("psycopg", "FATAL: remaining connection slots are reserved for roles with SUPERUSER"), True),
        (_error("psycopg", "FATAL: no more connections allowed (max_client_conn)"), True),
        (_error("psycopg.errors", "in another language", sqlstate="53300"), True),
        (_error("psycopg.errors", "too many connections", sqlstate="57P01"), False),
        (_error("psycopg", "Connection refused"), False),
        (ValueError("too many clients"), False),
    ],
)
def test_what_counts_as_full(error: Exception, full: bool) -> None:
    assert refused.is_refusal(error) is full
