"""What is particular to sessions in Redis. What all stores do alike is tested elsewhere."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demijohn.errors import SessionOptionError
from demijohn.sessions.stores.base import Counting, Listing, Locking
from demijohn.sessions.stores.redis import RedisStore
from tests.services import Redis, until


@pytest.fixture
def store(redis: Redis) -> Iterator[RedisStore]:
    store = RedisStore.at(redis.url, prefix="site")
    yield store
    store.close()


def new_id() -> str:
    return secrets.token_urlsafe(32)


def members(redis: Redis) -> int:
    """How many entries the one list of sessions has."""
    lists = [line for line in redis.lines("KEYS site:u:*") if line.startswith("site:u:")]
    assert len(lists) <= 1
    return int(redis.ask(f"ZCARD {lists[0]}").lstrip(":")) if lists else 0


def test_it_says_what_it_can(store: RedisStore) -> None:
    assert (store.name, store.limit, store.durable) == ("redis", 1_000_000, False)
    for protocol in (Locking, Listing, Counting):
        assert isinstance(store, protocol)


def test_any_bytes_come_back(store: RedisStore) -> None:
    id, payload = new_id(), bytes(range(256)) * 3900 + b"\r\n\x00"
    added = store.add(id, payload, 60)
    read = store.read(id)
    assert added is not None
    assert added == read
    assert read.payload == payload


def test_each_thing_is_one_round_trip(store: RedisStore, redis: Redis) -> None:
    def all_of_it(count: bool) -> list[int]:
        id, trips = new_id(), []

        def trip(action: str, *arguments: object) -> object:
            if not count:
                return getattr(store, action)(*arguments)
            with redis.commands() as seen:
                answer = getattr(store, action)(*arguments)
            trips.append(len(seen))
            assert seen.connections == 0
            return answer

        record = trip("add", id, b"{}", 60, "7")
        assert trip("read", id) == record
        record = trip("replace", id, b"1", record.token, 60)  # type: ignore[attr-defined]
        assert record is not None
        trip("touch", id, record, 60)
        assert trip("lock", id, "mine", 60) is True
        trip("unlock", id, "mine")
        assert trip("delete", id) is True
        assert trip("read", id) is None
        return trips

    all_of_it(count=False)  # a server learns a script when it first sees it
    assert all_of_it(count=True) == [1] * 8


def test_a_script_that_the_server_has_forgotten_is_sent_again(store: RedisStore, redis: Redis) -> None:
    first, second, third = new_id(), new_id(), new_id()
    assert store.add(first, b"1", 60)
    redis.ask("SCRIPT FLUSH")
    with redis.commands() as seen:
        assert store.add(second, b"2", 60)
    assert [command.split()[0] for command in seen] == ['"EVALSHA"', '"EVAL"']
    with redis.commands() as seen:
        assert store.add(third, b"3", 60)
    assert len(seen) == 1


def test_a_key_lives_as_long_as_its_session(store: RedisStore, redis: Redis) -> None:
    id = new_id()
    record = store.add(id, b"{}", 100)
    assert record is not None
    assert 95 <= int(redis.ask(f"TTL site:s:{id}").lstrip(":")) <= 100
    store.touch(id, record, 500)
    assert 495 <= int(redis.ask(f"TTL site:s:{id}").lstrip(":")) <= 500
    moved = store.read(id)
    assert moved is not None
    assert moved.ends >= record.ends + 400
    assert moved.payload == b"{}"
    assert store.replace(id, b"1", moved.token, 200)
    assert 195 <= int(redis.ask(f"TTL site:s:{id}").lstrip(":")) <= 200
    assert store.add(new_id(), b"{}", 1)
    until(lambda: redis.ask("DBSIZE") == ":1", "A session has outlived its time.")


def test_a_touch_neither_undoes_a_write_nor_makes_one_fail(store: RedisStore) -> None:
    id = new_id()
    old = store.add(id, b"old", 60)
    assert old is not None
    store.touch(id, old, 90)
    new = store.replace(id, b"new", old.token, 60)
    assert new is not None
    store.touch(id, old, 900)
    assert store.read(id) == new
    store.delete(id)
    store.touch(id, new, 900)
    assert store.read(id) is None


def test_of_two_threads_that_count_nobody_s_count_is_lost(store: RedisStore) -> None:
    id = new_id()
    store.add(id, b"0", 60, "7")

    def raise_it(_: int) -> None:
        for _ in range(100):
            while True:
                record = store.read(id)
                assert record is not None
                if store.replace(id, b"%d" % (int(record.payload) + 1), record.token, 60):
                    break

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(raise_it, range(2)))
    record = store.read(id)
    assert record is not None
    assert record.payload == b"200"


def test_threads_get_their_own_answers(store: RedisStore) -> None:
    ids = [new_id() for _ in range(50)]
    for id in ids:
        store.add(id, id.encode() * 50, 60)

    def ask(id: str) -> bool:
        return all((record := store.read(id)) and record.payload == id.encode() * 50 for _ in range(40))

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(ask, ids))


def test_a_fork_leaves_the_parent_s_connections_alone(store: RedisStore, redis: Redis) -> None:
    mine, other = new_id(), new_id()
    store.add(mine, b"parent", 60)
    store.add(other, b"child", 60)
    child = os.fork()
    if child == 0:
        try:
            got = [store.read(other) for _ in range(50)]
            os._exit(0 if all(record and record.payload == b"child" for record in got) else 1)
        finally:
            os._exit(2)
    with redis.commands() as seen:
        records = [store.read(mine) for _ in range(50)]
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all(record and record.payload == b"parent" for record in records)
    assert seen.connections <= 1  # the child's
    with redis.commands() as seen:
        assert store.read(mine)
    assert seen.connections == 0  # the child has ended, and the parent's is whole


def test_a_user_s_list_ends_with_the_last_of_them(store: RedisStore, redis: Redis) -> None:
    long, short = new_id(), new_id()
    record = store.add(long, b"{}", 1000, "7")
    store.add(short, b"{}", 10, "7")
    (key,) = [line for line in redis.lines("KEYS site:u:*") if line.startswith("site:u:")]
    assert 995 <= int(redis.ask(f"TTL {key}").lstrip(":")) <= 1002
    assert record is not None
    store.touch(long, record, 2000)
    assert 1995 <= int(redis.ask(f"TTL {key}").lstrip(":")) <= 2002
    store.delete(long)
    store.delete(short)
    assert redis.ask("DBSIZE") == ":0"


def test_a_user_s_list_sheds_what_is_over(store: RedisStore, redis: Redis) -> None:
    id = new_id()
    record = store.add(id, b"{}", 100, "7")
    assert record is not None
    for _ in range(5):
        store.add(new_id(), b"{}", 1, "7")
    assert members(redis) == 6

    def shed() -> bool:
        store.touch(id, record, 100)
        return members(redis) == 1

    until(shed, "The list keeps what is over.")
    redis.ask(f"DEL site:s:{id}")  # as an eviction would
    assert store.of("7") == []
    assert members(redis) == 0


def test_an_id_that_is_taken(store: RedisStore) -> None:
    id = new_id()
    record = store.add(id, b"mine", 60, "7")
    assert store.add(id, b"theirs", 60, "8") is None
    assert store.read(id) == record
    assert store.of("8") == []


def test_more_sessions_than_fit_into_one_question(store: RedisStore) -> None:
    ids = {new_id() for _ in range(250)}
    for id in ids:
        store.add(id, b"{}", 60, "7")
    mine, theirs = ids.pop(), new_id()
    store.add(theirs, b"{}", 60, "8")
    assert {listed.id for listed in store.of("7")} == ids | {mine}
    assert store.count() == (251, 0)
    assert store.end("7", keep=mine) == 249
    assert [listed.id for listed in store.of("7")] == [mine]
    assert store.count() == (2, 0)


def test_sites_that_share_a_server_do_not_see_each_other(store: RedisStore, redis: Redis) -> None:
    id = new_id()
    store.add(id, b"{}", 60, "7")
    for prefix in ("other", "s*", "[s]ite", "sit?", ""):
        other = RedisStore.at(redis.url, prefix=prefix)
        assert (other.read(id), other.of("7"), other.count()) == (None, [], (0, 0))
        assert other.lock(id, "mine", 60) is False
        assert other.delete(id) is False
        other.close()
    assert store.read(id)


def test_a_lock_is_for_a_session_that_is_there(store: RedisStore, redis: Redis) -> None:
    id = new_id()
    assert store.lock(id, "mine", 60) is False
    store.add(id, b"{}", 60)
    assert store.lock(id, "mine", 60) is True
    assert store.lock(id, "theirs", 60) is False
    store.unlock(id, "theirs")
    assert store.lock(id, "theirs", 60) is False
    store.unlock(id, "mine")
    assert store.lock(id, "theirs", 1) is True
    until(lambda: store.lock(id, "mine", 60), "The lock has outlived its time.")


@pytest.mark.parametrize("value", ["{}", "x" * 100, "cos\\nsystem\\n(S'true'\\ntR."])
def test_what_others_have_put_there_is_nobody_s_session(store: RedisStore, redis: Redis, value: str) -> None:
    id = new_id()
    assert redis.ask(f'SET site:s:{id} "{value}"') == "+OK"
    record = store.read(id)
    assert record is not None
    assert record.token is None
    assert store.replace(id, b"mine", record.token, 60) is None
    store.touch(id, record, 60)
    assert store.delete(id) is True


def test_by_a_unix_socket() -> None:
    with Redis("--unixsocket", "socket") as redis:
        store = RedisStore.at(f"unix://{redis.folder}/socket?db=3")
        id = new_id()
        assert store.add(id, b"{}", 60)
        assert store.read(id)
        assert RedisStore.at(redis.url).read(id) is None  # which is database 0
        store.close()


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1/", ""])
def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(SessionOptionError, match="begins with redis://, rediss:// or unix://"):
        RedisStore.at(url)


def test_options_of_a_url(redis: Redis) -> None:
    with pytest.raises(SessionOptionError, match=r"an option that redis-py does not know: .*'colour'"):
        RedisStore.at(f"{redis.url}?colour=red").read(new_id())
    options = "max_connections=1&decode_responses=yes&protocol=3&client_name=site"
    store = RedisStore.at(f"{redis.url}?{options}")
    id = new_id()
    store.add(id, b"{}", 60)
    record = store.read(id)
    assert record is not None
    assert record.payload == b"{}"
    store.close()


def test_without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    store = RedisStore.at("redis://127.0.0.1")
    with pytest.raises(
        SessionOptionError, match=r"needs the package redis\. Install it: pip install 'demijohn\[redis\]'"
    ):
        store.read(new_id())


def test_redis_py_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from demijohn.sessions.stores.redis import RedisStore; RedisStore.at('redis://127.0.0.1');"
        "sys.exit('redis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
