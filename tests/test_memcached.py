from __future__ import annotations

import contextlib
import os
import pickle
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import demijohn.memcached
from demijohn import outage
from demijohn.errors import MemcachedClientMissingError, MemcachedDownError, ValueTooLargeError
from demijohn.memcached import Memcached
from tests.services import Memcached as Server
from tests.services import UnixMemcached, until


@pytest.fixture(params=["pylibmc", "pymemcache", "bmemcached"])
def kind(request: pytest.FixtureRequest) -> str:
    """A client."""
    if request.param == "pylibmc":
        pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
    name: str = request.param
    return name


@pytest.fixture
def client(kind: str, memcached: Server) -> Iterator[Memcached]:
    client = Memcached([memcached.address], prefix="site", client=kind)
    yield client
    client.close()


def is_up(client: Memcached, key: bytes = b"k") -> bool:
    try:
        client.set(key, b"v", 60)
    except MemcachedDownError:
        return False
    return True


def test_values_come_back(client: Memcached) -> None:
    assert client.get(b"k") is None
    assert client.gets(b"k") == (None, None)
    client.set(b"k", b"\x00\xff value \r\n", 60)
    assert client.get(b"k") == b"\x00\xff value \r\n"
    assert client.gets(b"k")[0] == b"\x00\xff value \r\n"
    assert client.delete(b"k") is True
    assert client.delete(b"k") is False


def test_add_stores_only_the_first(client: Memcached) -> None:
    assert client.add(b"k", b"1", 60) is True
    assert client.add(b"k", b"2", 60) is False
    assert client.get(b"k") == b"1"


def test_cas_refuses_what_was_written_or_deleted_since(client: Memcached) -> None:
    client.set(b"k", b"1", 60)
    _, token = client.gets(b"k")
    assert client.cas(b"k", b"2", token, 60) is True
    assert client.cas(b"k", b"3", token, 60) is False
    assert client.get(b"k") == b"2"
    _, token = client.gets(b"k")
    client.delete(b"k")
    assert client.cas(b"k", b"4", token, 60) is False
    assert client.get(b"k") is None


def test_the_prefix_keeps_sites_apart(client: Memcached, memcached: Server) -> None:
    client.set(b"k", b"mine", 60)
    assert "mine" in memcached.ask("get site:k")
    other = Memcached([memcached.address], prefix="other")
    assert other.get(b"k") is None
    other.close()


@pytest.mark.parametrize("ttl", [100, 30 * 24 * 3600 + 100])
def test_values_live_as_long_as_asked(client: Memcached, memcached: Server, ttl: int) -> None:
    client.set(b"k", b"v", ttl)
    left = int(memcached.ask("mg site:k t").split()[1].lstrip("t"))
    assert ttl - 5 <= left <= ttl + 1


def test_values_end(client: Memcached) -> None:
    client.set(b"k", b"v", 1)
    until(lambda: client.get(b"k") is None, "The value has outlived its time.")


def test_too_large_a_value_is_told_with_its_size(client: Memcached) -> None:
    client.set(b"k", b"before", 60)
    with pytest.raises(ValueTooLargeError, match="1000001 bytes is more than memcached takes, 1000000"):
        client.set(b"k", b"x" * 1_000_001, 60)
    client.set(b"large", b"x" * 1_000_000, 60)
    assert client.get(b"k") == b"before"


def test_threads_get_their_own_answers(client: Memcached) -> None:
    for number in range(50):
        client.set(b"k%d" % number, b"%d" % number * 100, 60)

    def ask(number: int) -> bool:
        key, value = b"k%d" % number, b"%d" % number * 100
        return all(client.get(key) == value and client.gets(key)[0] == value for _ in range(40))

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(ask, range(50)))


def test_many_threads_on_few_keys_never_see_another_key_s_value(client: Memcached) -> None:
    """pylibmc's own `gets` shows some, when it is given the keys as `str`."""
    keys = [b"key-%d" % number for number in range(8)]
    for key in keys:
        client.set(key, key * 20, 60)

    def ask(start: int) -> Counter[bool]:
        seen: Counter[bool] = Counter()
        for number in range(start, start + 250):
            key = b"key-%d" % (number % 8)
            value, token = client.gets(key)
            seen[value == key * 20 and client.get(key) == value] += 1
            if number % 10 == 0:
                client.cas(key, key * 20, token, 60)
        return seen

    with ThreadPoolExecutor(32) as threads:
        assert sum(threads.map(ask, range(32)), Counter()) == {True: 32 * 250}


def test_a_lock_is_given_back_only_by_who_holds_it(client: Memcached) -> None:
    assert client.release(b"lock", b"mine") is False
    assert client.add(b"lock", b"mine", 60) is True
    assert client.release(b"lock", b"another's") is False
    assert client.add(b"lock", b"another's", 60) is False
    assert client.release(b"lock", b"mine") is True
    assert client.get(b"lock") is None
    assert client.gets(b"lock") == (None, None)
    assert client.add(b"lock", b"another's", 60) is True
    assert client.release(b"lock", b"mine") is False
    assert client.get(b"lock") == b"another's"


def test_one_thread_at_a_time_holds_a_lock(client: Memcached) -> None:
    holders: list[int] = []

    def work(number: int) -> int:
        token = b"%d" % number
        until(lambda: client.add(b"lock", token, 60), "The lock is never free.")
        holders.append(number)
        alone = holders == [number]
        holders.remove(number)
        assert client.release(b"lock", token)
        return alone

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(40)))


@pytest.mark.parametrize("flags", [0, 1, 2, 4, 8, 16, 0xFFFF])
def test_what_others_have_planted_is_bytes_and_nothing_else(client: Memcached, memcached: Server, flags: int) -> None:
    planted = pickle.dumps({"user": 1}, protocol=0).decode()
    assert memcached.ask(f"set site:k {flags} 60 {len(planted)}\r\n{planted}") == "STORED\r\n"
    for _ in range(2):
        assert client.get(b"k") in (planted.encode(), None)  # None: not the compressed value that the flags announce
        assert client.gets(b"k")[0] in (planted.encode(), None)
        assert client.get(b"never") is None
    client.set(b"k", b"v", 60)
    assert client.gets(b"k")[0] == b"v"


def test_a_value_is_stored_as_it_is(client: Memcached, memcached: Server) -> None:
    client.set(b"k", b"a" * 5000, 60)
    answer = memcached.ask("get site:k").split("\r\n")
    assert answer[1] == "a" * 5000
    client.set(b"k", b"", 60)
    assert client.get(b"k") == b""
    assert client.gets(b"k")[0] == b""


def test_a_key_that_cannot_be_is_no_outage(client: Memcached, kind: str) -> None:
    bad = [b"k" * 251]
    if kind != "bmemcached":  # the binary protocol has no lines to break
        bad += [b"two words", b"a\r\nflush_all\r\n"]
    client.set(b"k", b"v", 60)
    for key in bad:
        for call in (client.get, client.gets, lambda key: client.set(key, b"v", 60)):
            with pytest.raises(ValueError, match="memcached cannot have the key"):
                call(key)
    assert client.get(b"k") == b"v"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_a_fork_leaves_the_parent_s_connections_alone(client: Memcached) -> None:
    client.set(b"k", b"v", 60)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if all(client.get(b"k") == b"v" for _ in range(50)) else 1)
        finally:
            os._exit(2)
    assert all(client.get(b"k") == b"v" for _ in range(50))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.get(b"k") == b"v"


CALLS: dict[str, Callable[[Memcached, Any], object]] = {
    "get": lambda client, token: client.get(b"k"),
    "gets": lambda client, token: client.gets(b"k"),
    "gets of nothing": lambda client, token: client.gets(b"nothing"),
    "set": lambda client, token: client.set(b"k", b"v", 60),
    "add": lambda client, token: client.add(b"other", b"v", 60),
    "cas": lambda client, token: client.cas(b"k", b"v", token, 60),
    "delete": lambda client, token: client.delete(b"k"),
    "delete of nothing": lambda client, token: client.delete(b"nothing"),
    "release": lambda client, token: client.release(b"k", b"v"),
}


@pytest.fixture(params=CALLS)
def ask(request: pytest.FixtureRequest, client: Memcached) -> Callable[[], object]:
    """One of the calls, on a connection that has been used."""
    client.set(b"k", b"v", 60)
    token = client.gets(b"k")[1]
    return lambda: CALLS[request.param](client, token)


def test_a_server_that_is_down_is_an_error_and_never_a_miss(ask: Callable[[], object], memcached: Server) -> None:
    memcached.kill()
    for _ in range(3):
        with pytest.raises(MemcachedDownError, match="is not answering") as caught:
            ask()
        assert caught.value.servers == (memcached.address,)


def test_a_server_that_is_silent_is_an_error_and_never_a_miss(ask: Callable[[], object], memcached: Server) -> None:
    with memcached.frozen(), pytest.raises(MemcachedDownError, match="is not answering"):
        ask()


def test_a_server_that_was_restarted_between_two_calls_is_not_down(client: Memcached, memcached: Server) -> None:
    for call in (client.get, client.gets, client.delete):
        client.set(b"k", b"v", 60)
        memcached.restart()
        assert call(b"k") in (None, (None, None), False)
    client.set(b"k", b"v", 60)
    memcached.restart()
    client.set(b"k", b"v", 60)
    assert client.get(b"k") == b"v"


@pytest.mark.parametrize("freeze", [False, True])
def test_it_is_found_again_when_it_is_back(client: Memcached, memcached: Server, freeze: bool) -> None:
    client.set(b"k", b"v", 60)
    with contextlib.ExitStack() as down:
        if freeze:
            down.enter_context(memcached.frozen())
        else:
            memcached.stop()
        assert not is_up(client)
    memcached.start()
    until(lambda: is_up(client), "The client does not find the server again.")
    assert client.get(b"k") == b"v"


def test_a_server_that_is_silent_is_not_waited_for_again_and_again(client: Memcached, memcached: Server) -> None:
    client.set(b"k", b"v", 60)
    with memcached.frozen():
        with pytest.raises(MemcachedDownError):
            client.gets(b"k")
        for _ in range(50):
            with pytest.raises(MemcachedDownError, match="a moment ago"):  # that is, it was not asked
                client.gets(b"k")


def test_one_thread_finds_out_whether_a_silent_server_is_back(client: Memcached, memcached: Server) -> None:
    client.set(b"k", b"v", 60)
    gate = threading.Barrier(8)

    def waits(_: int) -> bool:
        gate.wait()
        with pytest.raises(MemcachedDownError) as caught:
            client.gets(b"k")
        return caught.value.original_error is not None

    with memcached.frozen(), ThreadPoolExecutor(8) as threads:
        assert not is_up(client)
        waited = until(lambda: sum(threads.map(waits, range(8))), "Nobody asks the server any more.")
        assert waited == 1


def test_the_log_hears_of_it_once(
    client: Memcached, memcached: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "PAUSE", 0)
    client.set(b"k", b"v", 60)
    memcached.stop()
    for _ in range(20):
        with pytest.raises(MemcachedDownError):
            client.gets(b"k")
    memcached.start()
    until(lambda: is_up(client), "The client does not find the server again.")
    assert client.gets(b"k")[0] == b"v"
    mine = [record.getMessage() for record in caplog.records if record.name == "demijohn.memcached"]
    assert len(mine) == 2
    assert re.fullmatch(rf"memcached at {memcached.address} is not answering: .+ \(said once a minute\)", mine[0])
    assert mine[1] == f"memcached at {memcached.address} is answering again"


def test_a_server_without_room_is_not_down(kind: str) -> None:
    with Server("-M", "-m", "2") as server:
        client = Memcached([server.address], client=kind)
        client.set(b"k", b"v", 60)

        def fill() -> None:
            for number in range(200):
                client.set(b"large-%d" % number, b"x" * 500_000, 60)

        with pytest.raises(MemcachedDownError, match=r"memory|error 48"):
            fill()
        assert client.get(b"k") == b"v"
        client.close()


def test_a_unix_socket(kind: str) -> None:
    with UnixMemcached() as server:
        client = Memcached([server.address], client=kind)
        client.set(b"k", b"v", 60)
        assert client.gets(b"k")[0] == b"v"
        with server.frozen():
            assert not is_up(client)
        until(lambda: is_up(client), "The client does not find the server again.")
        server.kill()
        with pytest.raises(MemcachedDownError):
            client.gets(b"k")
        client.close()


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="at least one server"):
        Memcached([])
    with pytest.raises(
        ValueError, match=r"no memcached client 'memcache'\. There are: pylibmc, pymemcache, bmemcached"
    ):
        Memcached(["h:1"], client="memcache")
    with pytest.raises(ValueError, match="a user name and a password, or neither"):
        Memcached(["h:1"], username="anna")
    with pytest.raises(ValueError, match="pymemcache cannot sign in"):
        Memcached(["h:1"], client="pymemcache", username="anna", password="p")


@pytest.mark.parametrize("login", [{}, {"username": "anna", "password": "p"}])
def test_no_client_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch, login: dict[str, Any]) -> None:
    for name in ("pylibmc", "pymemcache", "bmemcached"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"demijohn.memcached.by_{name}", None)
        monkeypatch.delattr(demijohn.memcached, f"by_{name}", raising=False)
    words = r"pip install 'demijohn\[sasl\]'" if login else "pip install 'pylibmc'"
    with pytest.raises(MemcachedClientMissingError, match=words):
        Memcached(["127.0.0.1:1"], **login).get(b"k")


def test_no_key_gets_into_the_log(memcached: Server, caplog: pytest.LogCaptureFixture) -> None:
    """pylibmc tells half of it, and a session's key is its id."""
    pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
    client = Memcached([memcached.address], client="pylibmc")
    memcached.stop()
    with pytest.raises(MemcachedDownError) as caught:
        client.get(b"s:secret")
    client.close()
    assert "memcached_get" in str(caught.value)
    assert "secret" not in str(caught.value) + caplog.text
