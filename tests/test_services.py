"""The servers that other tests stand on: they start, answer, count, stop, come back, and leave nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.services import Database, MariaDB, Memcached, PostgreSQL, Redis, Service, lives, until

SERVICES: list[type[Service]] = [MariaDB, Memcached, PostgreSQL, Redis]
DATABASES = ["mariadb", "postgresql"]


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> Database:
    server: Database = request.getfixturevalue(request.param)
    return server


@pytest.mark.parametrize("kind", SERVICES)
def test_a_server_stops_and_comes_back_on_its_port(kind: type[Service]) -> None:
    with kind() as server:
        port = server.port
        assert server.running
        assert server.answers()
        for end in (server.stop, server.kill):
            end()
            assert not server.running
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            server.start()
            assert server.answers()
            assert server.port == port
    assert not server.running
    assert not server.folder.exists()


def test_a_database_is_fresh_and_empty_every_time(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url, poolclass=NullPool)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE left_over (id INTEGER)"))


def test_a_database_keeps_its_data_over_a_crash(database: Database) -> None:
    engine = sqlalchemy.create_engine(database.create("kept"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE entry (text VARCHAR(20))"))
    database.restart()
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("INSERT INTO entry VALUES ('żółw')"))
        assert connection.scalar(sqlalchemy.text("SELECT text FROM entry")) == "żółw"
    database.drop("kept")


def test_statements_are_counted_in_order_and_in_full(database: Database) -> None:
    engine = sqlalchemy.create_engine(database.create("counted"), poolclass=NullPool)
    with database.statements() as seen:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("SELECT 1,\n\n\t2"))
            connection.execute(sqlalchemy.text("SELECT :value"), {"value": 3})
        assert database.execute("SELECT 'uncounted'") == [("uncounted",)]
    first = seen.index("SELECT 1,\n\n\t2")
    assert seen[first + 1] in ("SELECT 3", "SELECT $1::SMALLINT", "SELECT $1")
    assert seen[first + 2] == "COMMIT"
    assert seen.connections == 1
    assert not any("uncounted" in statement for statement in seen)
    with database.statements() as nothing:
        pass
    assert nothing == []
    database.drop("counted")


def test_a_database_hangs_up_on_its_clients(database: Database) -> None:
    engine = sqlalchemy.create_engine(database.create("idle"))
    database.hang_up()  # on those whom other tests have left
    with engine.connect() as connection:
        assert database.hang_up() == 1
        with pytest.raises(OperationalError):
            connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()
    database.drop("idle")


def test_a_database_in_use_can_be_dropped(database: Database) -> None:
    engine = sqlalchemy.create_engine(database.create("used"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE entry (id INTEGER)"))
        connection.execute(sqlalchemy.text("INSERT INTO entry VALUES (1)"))
        database.drop("used")
        with pytest.raises(OperationalError):
            connection.execute(sqlalchemy.text("SELECT 1"))
        connection.invalidate()
    engine.dispose()


def test_mariadb_is_reached_by_its_socket(mariadb: MariaDB) -> None:
    mariadb.create("near")
    engine = sqlalchemy.create_engine(mariadb.socket_url("near"), poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT DATABASE()")) == "near"
    mariadb.drop("near")


def test_a_setting_of_mariadb_lasts_for_a_block(mariadb: MariaDB) -> None:
    before = mariadb.execute("SELECT @@GLOBAL.wait_timeout")
    with mariadb.setting("wait_timeout", 2):
        assert mariadb.execute("SELECT @@GLOBAL.wait_timeout, @@SESSION.wait_timeout") == [(2, 2)]
    assert mariadb.execute("SELECT @@GLOBAL.wait_timeout") == before


def test_options_reach_the_server() -> None:
    with MariaDB("--wait-timeout=2") as mariadb:
        assert mariadb.execute("SELECT @@wait_timeout") == [(2,)]


def test_commands_of_memcached_are_counted(memcached: Memcached) -> None:
    with memcached.commands() as seen:
        assert memcached.ask("set name 0 60 5\r\nvalue") == "STORED\r\n"
        assert memcached.ask("get name") == "VALUE name 0 5\r\nvalue\r\nEND\r\n"
    assert seen == ["set name 0 60 5", "quit", "get name", "quit"]
    assert seen.connections == 2
    memcached.flush()
    assert memcached.ask("get name") == "END\r\n"


def test_a_frozen_server_takes_connections_and_says_nothing(memcached: Memcached) -> None:
    with memcached.frozen(), socket.create_connection((memcached.host, memcached.port), timeout=0.2) as connection:
        connection.sendall(b"version\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(100)
    assert memcached.answers()


def test_redis_begins_empty(redis: Redis) -> None:
    assert redis.ask("DBSIZE") == ":0"
    assert redis.ask("SET name value") == "+OK"


START_ALL = """
from tests.services import MariaDB, Memcached, PostgreSQL, Redis
from tests.services.process import room
servers = [kind() for kind in (MariaDB, Memcached, PostgreSQL, Redis)]
for server in servers:
    server.start()
print(room(), *(server.process.pid for server in servers), flush=True)
input()
"""


def test_nothing_outlives_tests_that_are_killed() -> None:
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", START_ALL], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        folder, *pids = tests.stdout.readline().split()
        assert len(pids) == len(SERVICES)
        assert all(lives(int(pid)) for pid in pids)
        tests.send_signal(signal.SIGKILL)
    until(lambda: not any(lives(int(pid)) for pid in pids), "The servers run on.")
    until(lambda: not Path(folder).exists(), f"{folder} is still there.")
