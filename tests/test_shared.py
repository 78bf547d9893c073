"""What all copies of a site share for a time: the same wherever it is kept."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bottle
import pytest
import sqlalchemy

from demijohn import Site
from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.shared import SharedDownError, SharedTooLargeError
from demijohn.shared import base as shared_base
from demijohn.shared import memory as shared_memory
from demijohn.shared.base import Shared
from demijohn.shared.memcached import MemcachedShared
from demijohn.shared.memory import MemoryShared
from demijohn.shared.sql import TABLE, SqlShared
from tests.client import Client
from tests.counting import KEY
from tests.services import PATIENCE, until
from tests.services import Database as Server
from tests.services import Memcached as MemcachedServer
from tests.shares import opened
from tests.sites import ROOT, clean_environment

TABLES = ["sqlite", "mariadb", "postgresql"]


@pytest.fixture(params=["memory", "memcached", *TABLES])
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    with opened(request.param, request) as shared:
        yield shared


@pytest.fixture(params=TABLES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    database = Database(request.getfixturevalue(f"{request.param}_url"))
    yield database
    database.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts our own clock, not the stores', so many seconds ahead. By itself it stands still."""
    moved, began = [0.0], time.time()
    monkeypatch.setattr(time, "time", lambda: began + moved[0])
    return lambda seconds: moved.__setitem__(0, seconds)


def test_what_was_put_comes_back_for_its_time(shared: Shared, clock: Callable[[float], None]) -> None:
    assert shared.get("k") is None
    assert shared.look("k") is None
    shared.put("k", b"\0\xff one\r\n", 10)
    assert shared.get("k") == b"\0\xff one\r\n"
    entry = shared.look("k")
    assert entry is not None
    assert 9 < entry.left <= 10
    shared.put("k", b"", 20)
    assert shared.get("k") == b""
    clock(19.9)
    assert shared.get("k") == b""
    clock(20.1)
    assert shared.get("k") is None
    assert shared.delete("k") is False


def test_a_time_of_more_than_a_month(shared: Shared, clock: Callable[[float], None]) -> None:
    shared.put("k", b"v", 400 * 86_400)  # of more than 30 days memcached makes a date in 1971
    clock(399 * 86_400)
    assert shared.get("k") == b"v"


def test_only_the_first_is_added(shared: Shared, clock: Callable[[float], None]) -> None:
    assert shared.add("k", b"1", 10) is True
    assert shared.add("k", b"2", 99) is False
    assert shared.get("k") == b"1"
    clock(10.1)
    assert shared.add("k", b"3", 10) is True
    assert shared.get("k") == b"3"
    assert shared.delete("k") is True
    assert shared.add("k", b"4", 10) is True


def test_a_count_begins_again_when_its_time_is_over(shared: Shared, clock: Callable[[float], None]) -> None:
    assert shared.counted("k") == 0
    assert [shared.count("k", 10), shared.count("k", 10, by=5)] == [1, 6]
    clock(9.8)  # in the same time, which a count does not prolong
    assert shared.count("k", 10) == 7
    assert shared.counted("k") == 7
    clock(10.1)
    assert shared.counted("k") == 0
    assert shared.count("k", 10) == 1
    assert shared.count("other", 10) == 1


def test_any_text_is_a_key(shared: Shared) -> None:
    keys = ["", "a b", "a\r\nset x 0 0 1", "é", "É", "e\u0301", "\ud800", "A", "a", "x" * 100_000]
    for number, key in enumerate(keys):
        shared.put(key, b"%d" % number, 10)
    assert [shared.get(key) for key in keys] == [b"%d" % number for number in range(len(keys))]


def test_a_large_value_is_kept_whole_and_a_larger_one_refused(shared: Shared) -> None:
    whole = bytes(range(256)) * (shared_base.LIMIT // 256)
    shared.put("k", whole, 10)
    assert shared.get("k") == whole
    for method in (shared.put, shared.add):
        with pytest.raises(SharedTooLargeError, match="can share, 999000 bytes") as raised:
            method("l", bytes(shared_base.LIMIT + 1), 10)
        assert (raised.value.size, raised.value.limit) == (shared_base.LIMIT + 1, shared_base.LIMIT)


def test_what_is_no_count_is_not_counted_on(shared: Shared) -> None:
    shared.put("k", b"some text", 10)
    with pytest.raises(ValueError, match="some text"):
        shared.count("k", 10)


def test_threads_are_each_told_another_count(shared: Shared) -> None:
    barrier = threading.Barrier(4)

    def count(_: int) -> list[int]:
        barrier.wait(PATIENCE)
        return [shared.count("k", 60) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        counts = [number for some in pool.map(count, range(4)) for number in some]
    assert sorted(counts) == list(range(1, 41))


@pytest.mark.parametrize("store", ["memcached", *TABLES])
def test_processes_are_each_told_another_count(store: str, request: pytest.FixtureRequest) -> None:
    if store == "memcached":
        url: str = request.getfixturevalue("memcached").address
    else:
        url = request.getfixturevalue(f"{store}_url")
        maker = Database(url)
        SqlShared(maker.alone, maker.metadata)
        maker.create_all()
        maker.close()
    command = [sys.executable, "-m", "tests.counting", store, url, "40"]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdin=pipe, stdout=pipe, text=True)
        for _ in range(3)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        found = [json.loads(process.communicate("\n", timeout=PATIENCE)[0]) for process in _told(processes)]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sorted(number for counts, _ in found for number in counts) == list(range(1, 121)), KEY
    assert sum(firsts for _, firsts in found) == 20, "of all that add, one is the first"


def _told(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return processes


def test_an_answer_that_was_lost_does_not_count_twice(database: Database) -> None:
    """`Database.alone` runs a statement again whose connection was cut, though it may have been carried out."""

    def twice(statement: Any, parameters: Any) -> Any:
        first = database.alone(statement, parameters)
        return first if statement.is_select else database.alone(statement, parameters)

    shared = SqlShared(twice, database.metadata)
    database.create_all()
    assert [shared.count("k", 60) for _ in range(3)] == [1, 2, 3]
    assert [shared.add("l", b"", 60) for _ in range(2)] == [True, False]


def test_what_is_over_is_deleted_in_passing(database: Database, clock: Callable[[float], None]) -> None:
    shared = SqlShared(database.alone, database.metadata)
    database.create_all()
    for number in range(40):
        shared.put(f"old {number}", b"", 10)
    clock(10.1)
    for number in range(17):
        shared.put(f"new {number}", b"", 10)
    count = sqlalchemy.select(sqlalchemy.func.count()).select_from(shared.table)
    assert database.alone(count, {})[0][0][0] <= 17 + 16


def test_what_is_over_is_forgotten_in_memory() -> None:
    shared = MemoryShared()
    for number in range(10_000):
        shared.put(f"{number}", b"", 0)
    assert len(shared._entries) <= 1001


@pytest.mark.parametrize("status", [200, 403])
def test_a_count_stays_when_the_request_is_rolled_back(database: Database, status: int) -> None:
    app = bottle.Bottle()
    app.install(database)
    shared = SqlShared(database.alone, database.metadata, database.redo)
    notes = sqlalchemy.Table("notes", database.metadata, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True))
    database.create_all()

    @app.post("/")
    def index(db: Any) -> Any:
        db.execute(notes.insert())
        told = shared.count("k", 60)
        shared.put("kept", b"v", 60)
        return bottle.HTTPResponse(str(told), status)

    visitor = Client(app)
    assert [visitor.post("/").text for _ in range(3)] == ["1", "2", "3"]
    assert shared.counted("k") == 3
    assert shared.get("kept") == b"v"
    rows, _ = database.alone(sqlalchemy.select(notes), {})
    assert len(rows) == (3 if status == 200 else 0)


def test_a_count_stays_when_a_handler_rolls_back_and_goes_on(database: Database) -> None:
    app = bottle.Bottle()
    app.install(database)
    shared = SqlShared(database.alone, database.metadata, database.redo)
    database.create_all()

    @app.post("/")
    def index(db: Any) -> str:
        db.execute(sqlalchemy.text("SELECT 1"))
        with db.begin_nested():
            shared.count("k", 60)
        db.rollback()
        db.execute(sqlalchemy.text("SELECT 1"))
        db.commit()
        return ""

    assert Client(app).post("/").status == 200
    assert shared.counted("k") == 1


def test_a_database_that_is_down(server: Server, url: str) -> None:
    database = Database(url)
    shared = SqlShared(database.alone, database.metadata)
    database.create_all()
    assert shared.count("k", 60) == 1
    server.stop()
    for _ in range(2):  # the second is told at once
        with pytest.raises(SharedDownError, match="in the database, which is not answering") as raised:
            shared.count("k", 60)
        assert raised.value.store == "the database"
    server.start()
    until(lambda: _counts(shared), "It was not found that the server is back.")
    assert shared.counted("k") == 2
    database.close()


def test_memcached_that_is_down(memcached: MemcachedServer) -> None:
    shared = MemcachedShared(Memcached([memcached.address]))
    memcached.stop()
    for method in (shared.get, shared.counted, shared.delete):
        with pytest.raises(SharedDownError, match="in memcached, which is not answering") as raised:
            method("k")
        assert raised.value.told
    memcached.start()
    until(lambda: _counts(shared), "It was not found that the server is back.")


def test_memcached_forgets_it_when_it_is_over_and_not_before(memcached: MemcachedServer) -> None:
    client = Memcached([memcached.address], client="pymemcache")
    shared = MemcachedShared(client)
    with memcached.commands() as seen:
        shared.put("k", b"v", 100)
        shared.count("l", 100)
    client.close()
    expiries = [int(command.split()[3]) for command in seen if command.startswith(("set", "add"))]
    assert len(expiries) == 2
    assert all(100 <= seconds <= 110 for seconds in expiries)


def test_what_somebody_else_has_planted_is_replaced(memcached: MemcachedServer) -> None:
    client = Memcached([memcached.address])
    shared = MemcachedShared(client)
    client.set(b"h:" + shared_base._place("k").encode(), b"who knows", 60)
    assert shared.get("k") is None
    assert shared.count("k", 60) == 1


def test_a_missing_table_is_named(database: Database) -> None:
    shared = SqlShared(database.alone, database.metadata)
    with pytest.raises(SharedDownError, match=f"If the table {TABLE} is missing, make it: demijohn db create"):
        shared.get("k")


def _counts(shared: Shared) -> bool:
    try:
        shared.count("k", 60)
    except SharedDownError:
        return False
    return True


# Of a site


def test_a_site_shares_in_memcached_else_in_the_database_else_in_memory(
    tmp_path: Path, memcached: MemcachedServer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.yaml").write_text("name: trial\ndemijohn: {secret: a-secret-of-the-tests-and-of-nobody}\n")
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    site = Site(tmp_path, {"database.url": url, "memcached.url": memcached.address})
    assert isinstance(site.shared, MemcachedShared)
    assert site.shared is site.shared
    site.db.close()
    site = Site(tmp_path, {"database.url": url})
    assert isinstance(site.shared, SqlShared)
    assert TABLE in site.create_tables()
    assert site.shared.count("k", 60) == 1
    site.db.close()
    assert caplog.text == ""
    assert isinstance(Site(tmp_path, {"database.url": ""}).shared, MemoryShared)
    assert "each process counts for itself" in caplog.text


def test_a_memory_does_not_grow_with_the_number_of_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "_MANY", 20)
    monkeypatch.setattr(shared_memory, "_MOST", 100)
    shared = MemoryShared()
    for number in range(1000):
        assert shared.count(f"visitor {number}", 3600) == 1
        assert len(shared._entries) <= 101
    assert shared.count("visitor 999", 3600) == 2, "who came last is known"
