"""What the database's server sees of a request, and what a request sees when the server hangs up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from tests.services import MariaDB, PostgreSQL, until
from tests.shop import Shop


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_round_trips(kind: str, request: pytest.FixtureRequest) -> None:
    server: MariaDB | PostgreSQL = request.getfixturevalue(kind)
    shop = Shop(request.getfixturevalue(f"{kind}_url"))
    shop.read_and_write()
    with server.statements() as seen:
        assert shop.client.get("/read").text == "first"
    assert len(seen) == 1, seen
    assert seen[0].startswith("SELECT")
    with server.statements() as seen:
        shop.client.get("/write-safely")
    assert [statement.split()[0].upper() for statement in seen] == ["BEGIN", "INSERT", "COMMIT"]
    with server.statements() as seen:
        shop.client.post("/write")
    assert [statement.split()[0].upper() for statement in seen] == ["BEGIN", "INSERT", "COMMIT"]
    with server.statements() as seen:
        shop.client.get("/nowhere")
    assert seen == []
    shop.db.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[MariaDB]:
    """A MariaDB that hangs up after two seconds of rest."""
    with MariaDB("--wait-timeout=2") as server:
        yield server


def test_a_connection_that_rested_too_long(hasty: MariaDB, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(hasty.create("rested"))
    shop.read_and_write()
    sleeping = "SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Sleep' AND db = 'rested'"
    until(lambda: hasty.execute(sleeping) == [(0,)], "MariaDB did not hang up")
    with hasty.statements() as seen:
        assert shop.client.get("/read").status == 200
    assert [statement for statement in seen if statement.startswith("SELECT") and "notes" in statement]
    assert caplog.records == []
    with hasty.statements() as seen:
        for _ in range(20):
            assert shop.client.get("/read").status == 200
    assert len(seen) == 20, "a busy connection is not asked how it is"
    assert seen.connections == 0
    shop.db.close()


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_while_the_server_is_down_a_503_and_then_as_before(kind: str, request: pytest.FixtureRequest) -> None:
    server: MariaDB | PostgreSQL = request.getfixturevalue(kind)
    shop = Shop(request.getfixturevalue(f"{kind}_url"))
    shop.read_and_write()
    server.stop()
    shop.db.close()  # as if every connection had been found dead
    for method, path in (("GET", "/read"), ("POST", "/write")):
        answer = shop.client.ask(method, path)
        assert answer.status == 503
        assert "nothing was changed" in answer.text
        assert answer.header("Retry-After") == "2"
        assert "Traceback" not in answer.text
    server.start()
    until(lambda: shop.client.get("/read").text == "first", "The site did not find that the server is back.")
    assert shop.client.post("/write").status == 200
    shop.db.close()


def test_when_the_pool_is_exhausted_a_503_that_names_the_setting(
    mariadb_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(mariadb_url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    shop.read_and_write()
    with shop.db.engine.connect():
        answer = shop.client.get("/read")
    assert answer.status == 503
    assert "database.pool_size" in caplog.text
    assert shop.client.get("/read").status == 200
    shop.db.close()


def test_the_first_requests_share_one_pool(mariadb_url: str) -> None:
    shop = Shop(mariadb_url)
    for _ in range(20):
        shop.db._engine = None
        with ThreadPoolExecutor(8) as threads:
            engines = set(threads.map(lambda _: shop.db.engine, range(8)))
        assert len(engines) == 1
        for engine in engines:
            engine.dispose()


@pytest.mark.parametrize("where", ["hook", "template", "stream"])
def test_a_database_that_is_down_is_a_503_wherever_it_is_asked(where: str, mariadb: MariaDB, mariadb_url: str) -> None:
    shop = Shop(mariadb_url)

    class Late:
        def __str__(self) -> str:
            return str(shop.db.session.scalars(select(shop.Note)).all())

    if where == "hook":
        shop.app.add_hook("before_request", lambda: shop.db.session.scalars(select(shop.Note)).all())

    def stream() -> Iterator[str]:
        yield str(Late())

    options: dict[str, Any] = {"template": ("{{late}}", {})} if where == "template" else {}
    shop.app.get("/", callback={"stream": stream}.get(where, lambda: {"late": Late()}), **options)
    assert shop.client.get("/").status == 200 or where == "hook"
    mariadb.stop()
    answer = shop.client.get("/")
    assert answer.status == 503
    assert answer.header("Retry-After") == "2"
    assert shop.checked_out == 0
    shop.db.close()
