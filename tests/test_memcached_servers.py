"""Several servers that share the keys."""

from __future__ import annotations

from collections import Counter

from demijohn.memcached import Memcached
from demijohn.memcached.ring import Ring
from tests.services import Memcached as Server
from tests.services import until
from tests.test_memcached import is_up, kind

__all__ = ["kind"]


def test_several_servers_share_the_keys(kind: str) -> None:
    with Server() as one, Server() as two:
        client = Memcached([one.address, two.address], client=kind)
        keys = [b"k%d" % number for number in range(40)]
        for key in keys:
            client.set(key, b"v", 60)
        assert all(client.gets(key)[0] == b"v" for key in keys)
        held = [{key for key in keys if server.ask(f"get {key.decode()}") != "END\r\n"} for server in (one, two)]
        assert sorted([*held[0], *held[1]]) == sorted(keys)
        assert all(held)

        with one.frozen():  # whose keys are an error, and those of the other as before
            assert all(is_up(client, key) == (key in held[1]) for key in keys)
            assert all(client.get(key) == b"v" for key in held[1])
        until(lambda: sum(is_up(client, key) for key in keys) == len(keys), "It is not found again.")
        client.close()


def test_the_clients_agree_on_who_keeps_a_key(kind: str) -> None:
    with Server() as one, Server() as two:
        client = Memcached([one.address, two.address], client=kind)
        other = Memcached([two.address, one.address], client="pymemcache")
        for number in range(40):
            client.set(b"k%d" % number, b"v", 60)
        assert all(other.get(b"k%d" % number) == b"v" for number in range(40))
        client.close()
        other.close()


def test_a_key_s_server_is_the_same_for_ever() -> None:
    ring = Ring(["192.0.2.1:11211", "192.0.2.2:11211", "192.0.2.3:11211"])
    assert (
        "".join(ring.server_of(b"key-%d" % number)[8] for number in range(40))
        == "1312333221232221221332322113332132332331"
    )


def test_a_server_more_moves_its_own_share_only() -> None:
    servers = [f"192.0.2.{number}:11211" for number in range(1, 5)]
    keys = [b"key-%d" % number for number in range(10_000)]
    three, four = Ring(servers[:3]), Ring(servers)
    moved = [key for key in keys if three.server_of(key) != four.server_of(key)]
    assert {four.server_of(key) for key in moved} == {servers[3]}
    shares = Counter(four.server_of(key) for key in keys)
    assert all(1_750 < share < 3_250 for share in shares.values()), shares
