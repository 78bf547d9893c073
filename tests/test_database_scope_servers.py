"""Visitors who hang up, and workers that end, on real servers with real sockets: nothing half done, and every
connection comes back."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy

from demijohn.database import Database
from tests.servers import ROOT, Server, serving
from tests.services import MariaDB, PostgreSQL, until
from tests.sites import clean_environment
from tests.traffic import Traffic, ask, cut_stream, cut_upload, status, unheard

#: Requests of the leak test: all of them on one database, enough to see a leak on the others.
#: FLOOD=20000 is a run by hand, of half a minute and more on each.
REQUESTS = {"mariadb": 1_500, "postgresql": 600, "sqlite": 600}
if "FLOOD" in os.environ:
    REQUESTS = dict.fromkeys(REQUESTS, int(os.environ["FLOOD"]))
POOL = 5  # as the app has it


class Notes:
    """The app's notes, from outside of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Database(url)
        code = "from tests.apps.traffic import app; app.create_tables()"
        environment = clean_environment(DATABASE_URL=url, PYTHONPATH=str(ROOT))
        subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)

    def count(self) -> dict[str, int]:
        with self.db.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT text, COUNT(*) FROM notes GROUP BY text")
            return dict(tuple(row) for row in rows)


@pytest.fixture
def notes(database_url: str) -> Iterator[Notes]:
    notes = Notes(database_url)
    yield notes
    notes.db.close()


def rests(server: Server) -> None:
    """Wait until every connection is back."""
    until(lambda: status(server.port)["out"] == 0, f"Connections are still out.\n{server.log()[-2000:]}")


def test_a_flood_of_requests_that_end_in_every_way(notes: Notes, request: pytest.FixtureRequest) -> None:
    """One worker, eight threads, a pool of five that may not overflow; the leak detector looks on and has nothing to
    say."""
    kind = request.node.callspec.params["database_url"]
    with serving(
        "gunicorn-gthread", "tests.apps.traffic:app", "--threads=8", env={"DATABASE_URL": notes.url}
    ) as server:
        process = status(server.port)["pid"]
        with ThreadPoolExecutor(24) as visitors:
            held = visitors.map(lambda _: ask(server.port, "GET", "/hold")[0], range(48))
            assert list(held) == [200] * 48, "eight threads on five connections wait"
        traffic = Traffic(server.port)
        traffic.run(REQUESTS[kind])
        print(f"{REQUESTS[kind]} requests on {kind}: {traffic.took:.1f} s, the slowest {traffic.slowest:.2f} s")
        assert traffic.wrongs == []
        assert sum(traffic.asked.values()) == REQUESTS[kind]
        rests(server)
        assert status(server.port)["pid"] == process, "it is the same process still"
        _rests_at_the_server(notes.db.engine, request, kind)
        log = server.log()
    asked = traffic.asked
    found = notes.count()
    assert found.get("kept", 0) == asked["POST /write"] + asked["POST /redirect"]
    assert found.get("uploaded", 0) == asked["POST /upload"], "half an upload is none"
    assert found.get("dropped", 0) == 0
    assert found.get("before", 0) >= asked["HEAD /stream"]
    for trace in ("has ended and not given back", "dropped it", "No connection was free", "is not answering"):
        # On SQLite a ticket waits where the file is being written, and says so.
        assert not [line for line in log.splitlines() if trace in line and "demijohn.tickets" not in line]
    assert log.count("Booting worker") == 1


def _rests_at_the_server(engine: sqlalchemy.Engine, request: pytest.FixtureRequest, kind: str) -> None:
    """Wait until no transaction is open at the database's server, nor a connection more than there may be."""
    engine.dispose()
    if kind == "mariadb":
        mariadb: MariaDB = request.getfixturevalue("mariadb")
        name = urllib.parse.urlsplit(engine.url.render_as_string()).path.strip("/")
        connections = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}'"
        until(lambda: mariadb.execute(connections)[0][0] <= POOL, "There are more connections than there may be.")
        transactions = "SELECT COUNT(*) FROM information_schema.innodb_trx"
        until(lambda: mariadb.execute(transactions) == [(0,)], "A transaction is still open.")
    elif kind == "postgresql":
        postgresql: PostgreSQL = request.getfixturevalue("postgresql")
        transactions = "SELECT COUNT(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        until(lambda: postgresql.execute(transactions) == [(0,)], "A transaction is still open.")
    else:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")  # is refused while anybody reads or writes
            connection.rollback()


@pytest.mark.parametrize("kind", ["wsgiref", "gunicorn-sync", "gunicorn-gthread", "waitress", "cheroot", "uwsgi"])
def test_visitors_who_hang_up(kind: str, mariadb: MariaDB, mariadb_url: str) -> None:
    notes = Notes(mariadb_url)
    with serving(kind, "tests.apps.traffic:app", env={"DATABASE_URL": mariadb_url}) as server:
        port = server.port
        for _ in range(4):
            cut_upload(port)
            cut_upload(port, politely=True)
            cut_stream(port, "/stream")
            cut_stream(port, "/late")
            unheard(port)
            ask(port, "GET", "/broken-stream")
        assert ask(port, "POST", "/write")[0] == 200
        rests(server)
        transactions = "SELECT COUNT(*) FROM information_schema.innodb_trx"
        until(lambda: mariadb.execute(transactions) == [(0,)], "A transaction is still open.")
        assert "not given back" not in server.log()
    found = notes.count()
    assert found["kept"] == 1
    assert found["before"] == 4
    assert found.keys() <= {"kept", "before", "after", "late"}, "nothing half done"
    notes.db.close()


@pytest.mark.parametrize("path", ["/sleep", "/die", "/memory"])
def test_a_worker_that_ends_in_the_midst_of_a_transaction(path: str, mariadb: MariaDB, mariadb_url: str) -> None:
    """gunicorn aborts the one that sleeps; what the others raise it may outlive."""
    notes = Notes(mariadb_url)
    with serving("gunicorn-sync", "tests.apps.traffic:app", "--timeout=5", env={"DATABASE_URL": mariadb_url}) as server:
        before = status(server.port)["pid"]
        answer, _ = ask(server.port, "POST", path)
        assert answer in (0, 500), "the visitor is told of no success"

        def over() -> bool:
            return mariadb.execute("SELECT COUNT(*) FROM information_schema.innodb_trx") == [(0,)]

        until(over, "MariaDB still has the transaction.")
        assert ask(server.port, "POST", "/write")[0] == 200
        now = status(server.port)
        assert now["out"] == 0
        if path == "/sleep":
            assert now["pid"] != before
    assert notes.count() == {"kept": 1}
    notes.db.close()
