"""A Redis that is down, frozen, full or strange is never taken for an empty one."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demijohn.errors import StoreUnavailableError
from demijohn.sessions.stores.base import Record
from demijohn.sessions.stores.redis import RedisStore
from tests.services import HOST, Redis, free_port, until

ID = secrets.token_urlsafe(32)
EVERYTHING: list[Callable[[RedisStore], object]] = [
    lambda store: store.read(ID),
    lambda store: store.add(ID, b"{}", 60, "7"),
    lambda store: store.replace(ID, b"{}", b"x" * 16 + b" " + b"-" * 32, 60),
    lambda store: store.touch(ID, Record(b"{}", b"x" * 16 + b" " + b"-" * 32, 0), 60),
    lambda store: store.delete(ID),
    lambda store: store.lock(ID, "mine", 60),
    lambda store: store.unlock(ID, "mine"),
    lambda store: store.of("7"),
    lambda store: store.end("7"),
    lambda store: store.count(),
]


@pytest.fixture
def store(redis: Redis) -> Iterator[RedisStore]:
    store = RedisStore.at(redis.url)
    yield store
    store.close()


@contextlib.contextmanager
def unavailable(words: str) -> Iterator[None]:
    with pytest.raises(
        StoreUnavailableError, match=rf"^The session store 'redis' is not answering: .*{words}"
    ) as caught:
        yield
    assert caught.value.store == "redis"


def back(store: RedisStore) -> bool:
    try:
        store.read(ID)
    except StoreUnavailableError:
        return False
    return True


def clients(redis: Redis) -> int:
    """How many are connected, the one that asks among them."""
    (line,) = [line for line in redis.lines("INFO clients") if line.startswith("connected_clients:")]
    return int(line.partition(":")[2])


@pytest.mark.parametrize("do", EVERYTHING)
def test_a_server_that_is_down(store: RedisStore, redis: Redis, do: Callable[[RedisStore], object]) -> None:
    do(store)
    redis.kill()
    with unavailable("refused"):
        do(store)
    with unavailable("it failed a moment ago"):  # and is not asked
        do(store)


@pytest.mark.parametrize("do", EVERYTHING)
def test_a_server_that_is_frozen(store: RedisStore, redis: Redis, do: Callable[[RedisStore], object]) -> None:
    do(store)
    with redis.frozen():
        with unavailable("Timeout"):
            do(store)
        with unavailable("it failed a moment ago"):
            do(store)


def test_an_answer_after_two_seconds_is_too_late(store: RedisStore, redis: Redis) -> None:
    store.read(ID)
    redis.ask("CLIENT PAUSE 2500")  # milliseconds
    with unavailable("Timeout"):
        store.read(ID)
    redis.ask("CLIENT UNPAUSE")


def test_after_a_fault_no_old_connection_is_used(redis: Redis) -> None:
    store = RedisStore.at(redis.url, timeout=1000)

    def several() -> bool:
        redis.ask("CLIENT PAUSE 300")
        list(threads.map(lambda _: store.read(ID), range(5)))
        return clients(redis) > 2

    with ThreadPoolExecutor(5) as threads:
        until(several, "There is only one connection.")
    with redis.frozen(), unavailable("Timeout"):
        store.read(ID)
    until(lambda: clients(redis) == 1, "There are old connections.")  # the one that asks
    store.close()


def test_an_error_that_the_server_answers_with_ends_the_outage() -> None:
    with Redis() as redis:
        store = RedisStore.at(redis.url)
        redis.kill()
        with unavailable("refused"):
            store.read(ID)
        redis.options = ("--maxmemory", "1")
        redis.start()

        def full() -> bool:
            with pytest.raises(StoreUnavailableError) as caught:
                store.add(ID, b"{}", 60)
            return "used memory" in str(caught.value)

        until(full, "The server has not been found again.")
        assert full()  # and not: it failed a moment ago
        store.close()


def test_a_server_that_thaws_is_found_again(store: RedisStore, redis: Redis) -> None:
    record = store.add(ID, b"{}", 60)
    with redis.frozen(), unavailable("Timeout"):
        store.read(ID)
    until(lambda: back(store), "The store has not found its server again.")
    assert store.read(ID) == record


def test_a_frozen_server_is_not_asked_twice(store: RedisStore, redis: Redis) -> None:
    store.add(ID, b"{}", 60)
    before = redis.connections()
    with redis.frozen(), unavailable("Timeout"):
        store.delete(ID)
    assert redis.connections() == before + 1  # the one that asks here


def test_a_frozen_server_takes_new_connections_and_is_unavailable(redis: Redis) -> None:
    store = RedisStore.at(redis.url)
    with redis.frozen(), unavailable("Timeout"):
        store.read(ID)


def test_a_restart_is_not_noticed(store: RedisStore, redis: Redis) -> None:
    others = [RedisStore.at(redis.url) for _ in range(3)]
    for each in [store, *others]:
        each.read(ID)
    redis.kill()
    redis.start()
    assert store.read(ID) is None
    for number, each in enumerate(others):
        assert each.add(f"{ID[1:]}{number}", b"{}", 60)
        each.close()


def test_it_comes_back_and_the_log_is_told_once(
    store: RedisStore, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    store.read(ID)
    redis.kill()
    with caplog.at_level(logging.WARNING, "demijohn.redis"):
        for _ in range(20):
            with unavailable(""):
                store.read(ID)
        (record,) = caplog.records
        assert record.getMessage().startswith(f"Redis at {redis.address} is not answering: ")
        redis.start()
        until(lambda: back(store), "The store has not found its server again.")
        assert caplog.records[-1].getMessage() == f"Redis at {redis.address} is answering again"


def test_connections_that_the_server_hangs_up_are_replaced(store: RedisStore, redis: Redis) -> None:
    record = store.add(ID, b"{}", 60)
    for expected in (b"1", b"2"):
        redis.ask("CLIENT KILL TYPE normal")
        assert record is not None
        record = store.replace(ID, expected, record.token, 60)
        assert record is not None
    redis.ask("CLIENT KILL TYPE normal")
    assert store.delete(ID) is True


def test_a_write_that_is_done_late_is_seen_by_those_that_follow(store: RedisStore, redis: Redis) -> None:
    first = store.add(ID, b"first", 60)
    assert first is not None
    old = store.replace(ID, b"old", first.token, 60)  # Redis knows the script now
    assert old is not None
    with redis.frozen(), unavailable("Timeout"):
        store.replace(ID, b"late", old.token, 60)
    until(lambda: redis.lines(f"GET s:{ID}")[1].endswith("late"), "Redis has dropped what it was asked.")
    until(lambda: back(store), "The store has not found its server again.")
    assert store.replace(ID, b"other", old.token, 60) is None  # it reads again, and merges
    fresh = store.read(ID)
    assert fresh is not None
    assert fresh.payload == b"late"
    assert store.replace(ID, b"newer", fresh.token, 60)


class Thief:
    """Stands between a store and Redis, and can keep an answer back and hang up instead."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.steals = 0
        self.stolen = 0
        self.listener = socket.create_server((HOST, 0))
        self.url = f"redis://{HOST}:{self.listener.getsockname()[1]}/0"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client: socket.socket) -> None:
        with client, socket.create_connection((self.redis.host, self.redis.port)) as server:
            while question := client.recv(65536):
                server.sendall(question)
                answer = server.recv(65536)
                if self.steals:
                    self.steals -= 1
                    self.stolen += 1
                    return
                client.sendall(answer)


@pytest.fixture
def thief(redis: Redis) -> Iterator[Thief]:
    thief = Thief(redis)
    yield thief
    thief.listener.close()


def test_what_was_done_is_done_though_its_answer_is_lost(thief: Thief) -> None:
    store = RedisStore.at(thief.url)

    def lost(do: Callable[[], object]) -> object:
        thief.steals = 1
        return do()

    store.add(ID, b"0", 60, "7")
    store.replace(ID, b"0", b"x" * 16 + b" " + b"-" * 32, 60)
    id = secrets.token_urlsafe(32)
    record = lost(lambda: store.add(id, b"1", 60, "7"))
    assert isinstance(record, Record)
    assert record == store.read(id)
    written = lost(lambda: store.replace(id, b"2", record.token, 60))
    assert isinstance(written, Record)
    assert written == store.read(id)
    store.lock(ID, "mine", 60)
    assert lost(lambda: store.lock(id, "mine", 60)) is True
    assert lost(lambda: store.lock(id, "theirs", 60)) is False
    assert thief.stolen == 4
    store.close()


def test_an_answer_that_is_lost_twice_is_not_waited_for(thief: Thief) -> None:
    store = RedisStore.at(thief.url)
    store.read(ID)
    thief.steals = 5
    with unavailable("Connection closed"):
        store.read(ID)
    assert thief.stolen == 2


def test_a_full_server_is_read_and_not_written() -> None:
    with Redis("--maxmemory-policy", "noeviction") as redis:
        store = RedisStore.at(redis.url)
        record = store.add(ID, b"{}", 60, "7")
        assert record is not None
        redis.ask("CONFIG SET maxmemory 1")
        before = redis.connections()
        for _ in range(2):  # it is no outage: it is asked each time
            with unavailable("command not allowed when used memory > 'maxmemory'"):
                store.add(secrets.token_urlsafe(32), b"{}", 60, "7")
            with unavailable("used memory"):
                store.replace(ID, b"1", record.token, 60)
            assert store.read(ID) == record
        assert store.delete(ID) is True
        assert redis.connections() == before + 1  # the one that asks: its own has stood all this
        redis.ask("CONFIG SET maxmemory 0")
        assert store.add(ID, b"{}", 60)
        store.close()


def test_a_replica_is_read_and_not_written() -> None:
    with Redis() as redis:
        store = RedisStore.at(redis.url)
        record = store.add(ID, b"{}", 60)
        assert record is not None
        redis.ask(f"REPLICAOF {HOST} {free_port()}")
        with unavailable("You can't write against a read only replica"):
            store.replace(ID, b"1", record.token, 60)
        before = redis.connections()
        assert store.read(ID) == record
        assert redis.connections() == before + 2  # its name may lead to another server by now
        redis.ask("REPLICAOF NO ONE")
        assert store.replace(ID, b"1", record.token, 60)
        store.close()


def test_a_server_that_is_still_loading() -> None:
    with Redis("--rdbcompression", "no", "--loading-process-events-interval-bytes", "1024") as redis:
        redis.ask("EVAL \"for i = 1, 5000 do redis.call('SET', i, string.rep('x', 500)) end\" 0")
        store = RedisStore.at(redis.url)
        store.add(ID, b"{}", 60)
        assert redis.ask("SAVE") == "+OK"
        redis.kill()
        redis.options += ("--key-load-delay", "2000")  # microseconds
        redis.start()
        with unavailable("Redis is loading the dataset in memory"):
            store.read(ID)
        redis.ask("CONFIG SET key-load-delay 0")
        until(lambda: back(store), "The store has not found its server again.")
        assert store.read(ID) is not None
        store.close()


def test_a_wrong_password() -> None:
    with Redis("--requirepass", "right") as redis:
        for user, words in (("", "Authentication required"), (":wrong@", "invalid username-password pair")):
            store = RedisStore.at(f"redis://{user}{redis.address}")
            with unavailable(words):
                store.read(ID)
            with unavailable("it failed a moment ago"):
                store.read(ID)
        store = RedisStore.at(f"redis://:right@{redis.address}")
        assert store.read(ID) is None
        store.close()


def test_a_server_with_no_room_for_another_client_is_no_outage() -> None:
    with Redis("--maxclients", "3") as redis:
        stores = [RedisStore.at(redis.url) for _ in range(4)]
        for store in stores[:3]:
            store.read(ID)
        for _ in range(2):
            with unavailable("max number of clients reached"):
                stores[3].read(ID)
        for store in stores[:3]:
            assert store.read(ID) is None
            store.close()
        until(lambda: back(stores[3]), "There is room again.")
        stores[3].close()


def test_something_that_is_no_redis(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server((HOST, 0)) as listener:
        store = RedisStore.at(f"redis://:a-secret-word@{HOST}:{listener.getsockname()[1]}")

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with unavailable("Protocol Error"):
            store.read(ID)
        thread.join()
    assert "a-secret-word" not in caplog.text
