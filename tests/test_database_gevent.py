"""gunicorn's gevent worker, where each request is a greenlet: one thread, hundreds of requests at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from demijohn.database import Database
from tests.servers import Server, serving
from tests.services import MariaDB, PostgreSQL, until
from tests.traffic import ask

POOL = 20  # as the app has it


class Site(NamedTuple):
    server: Server
    database: MariaDB | PostgreSQL
    db: Database

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(self.server.port, "GET", "/status")[1])
        return found

    def texts(self) -> list[str]:
        with self.db.engine.connect() as connection:
            return list(connection.exec_driver_sql("SELECT text FROM notes ORDER BY text").scalars())


@pytest.fixture(params=["mariadb", "postgresql"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database = request.getfixturevalue(request.param)
    url: str = request.getfixturevalue(f"{request.param}_url")
    db = Database(url)
    key = "INT AUTO_INCREMENT PRIMARY KEY" if request.param == "mariadb" else "SERIAL PRIMARY KEY"
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE notes (id {key}, text VARCHAR(50))")
    with serving("gunicorn-gevent", "tests.apps.greenlets:app", env={"DATABASE_URL": url}) as server:
        yield Site(server, database, db)
    db.close()


def test_three_hundred_at_a_time_mix_nothing_up(site: Site) -> None:
    def visit(number: int) -> bool:
        if number % 5 == 4:
            status, answer = ask(site.server.port, "POST", f"/streamed/{number}")
            return (status, answer.count(f"{number} ".encode())) == (200, 3)
        status, answer = ask(site.server.port, "POST", f"/own/{number}")
        return status == 200 and json.loads(answer) == {"found": f"{number}", "new": [f"{number}"]}

    with ThreadPoolExecutor(300) as visitors:
        right = list(visitors.map(visit, range(300)))
    assert right == [True] * 300
    assert sorted(site.texts(), key=int) == [f"{n}" for n in range(300) for _ in range(3 if n % 5 == 4 else 1)]
    until(lambda: site.status()["out"] == 0, "Connections are still out.")
    assert site.status()["open"] <= POOL
    assert site.status()["at once"] == POOL, "they wait side by side, and the others for them"


def test_a_time_limit_in_the_midst_of_a_statement(site: Site) -> None:
    """The connection has half an answer on it: nobody else may get that."""
    with ThreadPoolExecutor(40) as visitors:
        statuses = list(visitors.map(lambda n: ask(site.server.port, "POST", f"/cut/{n}")[0], range(40)))
        answers = list(visitors.map(lambda _: ask(site.server.port, "GET", "/read"), range(40)))
    assert 200 not in statuses
    assert answers == [(200, b"42")] * 40
    assert site.texts() == []
    until(lambda: site.status()["out"] == 0, "Connections are still out.")


def test_connections_that_rested_are_looked_at(site: Site) -> None:
    """gevent has a select.poll of its own, which gives way to other greenlets meanwhile."""

    def read(_: int) -> tuple[int, bytes]:
        return ask(site.server.port, "GET", "/read")

    with ThreadPoolExecutor(10) as visitors:
        list(visitors.map(read, range(20)))
        rested = int(ask(site.server.port, "GET", "/rest")[1])
        assert rested >= 1
        with site.database.statements() as seen:
            assert list(visitors.map(read, range(20))) == [(200, b"42")] * 20
        assert seen.connections == 0, "none of them had news"
        rested = int(ask(site.server.port, "GET", "/rest")[1])
        site.database.hang_up()
        assert list(visitors.map(read, range(20))) == [(200, b"42")] * 20
    until(lambda: site.status()["out"] == 0, "Connections are still out.")
