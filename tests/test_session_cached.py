"""Several processes with one table and one memcached: what one has deleted, no other brings back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.sessions.cookie import new_id
from demijohn.sessions.stores.base import FRESH, Record
from demijohn.sessions.stores.cached import CachedSqlStore
from demijohn.sessions.stores.sql import SqlStore
from tests.services import MariaDB, until
from tests.services import Memcached as MemcachedServer

TTL = 600


class Process:
    """The store as one process of a site has it."""

    def __init__(self, database_url: str, memcached_url: str) -> None:
        self._db = Database(database_url)
        self._pool = Memcached([memcached_url])
        self.sql = SqlStore(self._db.alone, self._db.metadata)
        self.store = CachedSqlStore(self.sql, self._pool)
        self._db.create_all()

    def close(self) -> None:
        self.store.close()
        self._db.close()


@pytest.fixture
def processes(mariadb_url: str, memcached: MemcachedServer) -> Iterator[tuple[Process, Process, Process]]:
    one, two, three = (Process(mariadb_url, memcached.address) for _ in range(3))
    yield one, two, three
    for process in (one, two, three):
        process.close()


@pytest.fixture
def id(processes: tuple[Process, Process, Process]) -> str:
    """The id of a session that is kept, and known to memcached."""
    id = new_id()
    assert processes[0].store.add(id, b"{}", TTL) is not None
    return id


def test_it_is_dead_though_its_process_takes_memcached_for_down(
    processes: tuple[Process, Process, Process], memcached: MemcachedServer, id: str
) -> None:
    one, two, _ = processes
    memcached.stop()
    two.store.read(id)  # and will not ask memcached again for a second
    memcached.start()
    assert one.store.read(id) is not None
    two.store.delete(id)
    assert one.store.read(id) is None


def test_it_is_dead_when_memcached_thaws(
    processes: tuple[Process, Process, Process], memcached: MemcachedServer, id: str
) -> None:
    one, two, _ = processes
    other = new_id()
    one.store.add(other, b"{}", TTL)
    with memcached.frozen():
        two.store.delete(other)  # waits for it in vain
        two.store.delete(id)
    for dead in (other, id):
        question = f"get c:{dead}"
        until(partial(_is_mark, memcached, question), "memcached does not know of it.")
        assert [process.store.read(dead) for process in processes] == [None] * 3


def _is_mark(memcached: MemcachedServer, question: str) -> bool:
    return memcached.ask(question).endswith("\r\n-\r\nEND\r\n")


def test_a_slow_request_that_moves_its_end_on_does_not_bring_it_back(
    processes: tuple[Process, Process, Process], memcached: MemcachedServer, id: str
) -> None:
    one, two, _ = processes
    record = one.store.read(id)
    assert record is not None
    two.store.delete(id)
    memcached.restart()  # and has forgotten that, too
    one.store.touch(id, record, TTL)
    assert one.store.read(id) is None


def test_what_memcached_is_told_late_does_not_bring_it_back(
    processes: tuple[Process, Process, Process],
    memcached: MemcachedServer,
    id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two, three = processes
    record = one.store.read(id)
    assert record is not None
    with memcached.frozen():
        assert one.store.replace(id, b'{"a":1}', record.token, TTL) is not None  # memcached is to be told of it

    def slow(id: str, fence: int = 0) -> Record | None:
        read = SqlStore.read(three.sql, id, fence)
        two.store.delete(id)
        until(lambda: one.store.read(new_id()) is None and not one.store._debts, "memcached is not told.")
        return read

    monkeypatch.setattr(three.sql, "read", slow)
    three.store.read(id, FRESH)
    monkeypatch.undo()
    assert three.store.read(id) is None


@pytest.fixture
def slow(processes: tuple[Process, Process, Process], memcached: MemcachedServer, id: str) -> Callable[..., Any]:
    """A method of the first process's table after which, before it returns, the second one writes the session and
    memcached has to make room."""
    one, two, _ = processes

    def make(method: Callable[..., Any], then: str = "") -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            answer = method(one.sql, *args)
            record = two.store.read(id, FRESH)
            assert record is not None
            assert two.store.replace(id, b'{"newest":1}', record.token, TTL) is not None
            memcached.ask(f"delete c:{id}\r\n{then}")
            return answer

        return call

    return make


def test_a_slow_reader_leaves_nothing_behind_that_is_older_than_the_table(
    processes: tuple[Process, Process, Process],
    memcached: MemcachedServer,
    id: str,
    slow: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _, three = processes
    memcached.ask(f"delete c:{id}")
    monkeypatch.setattr(one.sql, "read", slow(SqlStore.read))
    one.store.read(id)
    record = three.store.read(id)
    assert record is not None
    assert record.payload == b'{"newest":1}'


@pytest.mark.parametrize("reader", [False, True])
def test_a_slow_writer_leaves_nothing_behind_that_is_older_than_the_table(
    processes: tuple[Process, Process, Process],
    id: str,
    slow: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    reader: bool,
) -> None:
    """:param reader: there is one who has found nothing, and is about to ask the table."""
    one, _, three = processes
    record = one.store.read(id)
    assert record is not None
    monkeypatch.setattr(one.sql, "replace", slow(SqlStore.replace, f"set c:{id} 0 60 1\r\n?" if reader else ""))
    assert one.store.replace(id, b'{"newer":1}', record.token, TTL) is not None
    record = three.store.read(id)
    assert record is not None
    assert record.payload == b'{"newest":1}'


def test_what_memcached_has_lost_it_has_again_after_one_read(
    processes: tuple[Process, Process, Process], mariadb: MariaDB, memcached: MemcachedServer, id: str
) -> None:
    one, two, _ = processes
    memcached.restart()
    first = one.store.read(id)
    assert first is not None
    mariadb.stop()
    second = two.store.read(id)
    assert second is not None
    assert second.payload == first.payload
