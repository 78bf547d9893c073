from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demijohn.errors import MemcachedDownError, ValueTooLargeError
from demijohn.memcached import Memcached
from tests.services import Memcached as Server
from tests.services import until


@pytest.fixture(params=["pylibmc", "pymemcache"])
def client(request: pytest.FixtureRequest, memcached: Server) -> Iterator[Memcached]:
    if request.param == "pylibmc":
        pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
    client = Memcached([memcached.address], prefix="site", client=request.param)
    yield client
    client.close()


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


def test_a_server_that_is_down_is_an_error_and_never_a_miss(client: Memcached, memcached: Server) -> None:
    client.set(b"k", b"v", 60)
    memcached.stop()
    for _ in range(3):
        with pytest.raises(MemcachedDownError, match="is not answering") as caught:
            client.gets(b"k")
        assert caught.value.servers == (memcached.address,)
    memcached.start()

    def back() -> bool:
        try:
            client.set(b"k", b"v", 60)
        except MemcachedDownError:
            return False
        return True

    until(back, "The client does not find the server again.", seconds=5)


def test_a_server_that_is_silent_is_not_waited_for_again_and_again(client: Memcached, memcached: Server) -> None:
    client.set(b"k", b"v", 60)
    with memcached.frozen():
        with pytest.raises(MemcachedDownError):
            client.gets(b"k")
        for _ in range(50):
            with pytest.raises(MemcachedDownError, match="a moment ago"):  # that is, it was not asked
                client.gets(b"k")


def test_several_servers_share_the_keys() -> None:
    with Server() as one, Server() as two:
        client = Memcached([one.address, two.address])
        for number in range(40):
            client.set(b"k%d" % number, b"v", 60)
        assert all(client.get(b"k%d" % number) == b"v" for number in range(40))
        assert all("curr_items 40" not in server.ask("stats") for server in (one, two))
        client.close()


def test_a_unix_socket(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
    with pytest.raises(MemcachedDownError):
        Memcached([str(tmp_path_factory.mktemp("m") / "none.sock")]).gets(b"k")


def test_no_server_is_told() -> None:
    with pytest.raises(ValueError, match="at least one server"):
        Memcached([])
