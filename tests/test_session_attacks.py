"""What strangers try, on every store and with every client. Nothing of it opens a session, breaks an answer, or costs
the store a round trip."""

from __future__ import annotations

import logging
import pickle
import socket
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demijohn.sessions.cookie import new_id
from tests.services import MariaDB
from tests.services import Memcached as MemcachedServer
from tests.visits import SECRET, STORES, Visitor, Visits, made, watched

#: Cookie headers that no site has ever sent.
STRANGE = [
    "session=attackerchosen",
    "session=" + "a" * 43,
    "session=" + "a" * 43 + "." + "b" * 24,
    "session=" + "a" * 43 + "." + "b" * 24 + "~1",
    "session=" + "A" * 10_240,
    "session=",
    "session",
    'session="; x=1',
    "session=\xff\xfe; =; ;;; a=\x01",
    "session=" + "\xc3\xa4" * 43,
    "session=ä€🌍",
    "session=../../etc/passwd",
    "session=..%2f..%2fetc%2fpasswd",
    "session=a b\tc; session=2",
    "session=" + "a" * 20 + " " + "a" * 22,
    "session=x\r\nset evil 0 0 1\r\n1",
    "session=" + "a" * 43 + "\r\nflush_all",
    "session=" + "a" * 42 + "\n",
    "session=a\x00b",
    "session=" + "a" * 42 + "\x00",
    "session='; DROP TABLE demijohn_sessions; --",
    "session=*1\r\n$8\r\nFLUSHALL",
    "session=~", "session=.", "session=.~", "session=~~~~1", "session=." + "b" * 24,
    "$Version=1; session=" + "=" * 200,
    "xsession=1; session=2; session=3",
    "; ".join(f"session{number}={number}" for number in range(2000)),
]  # fmt: skip


def test_what_is_not_ours_is_never_adopted_nor_asked_for(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watched(visits.store, monkeypatch)
    for header in STRANGE:
        visitor = visits.visitor()
        answer = visitor.get("/data", HTTP_COOKIE=header)
        assert (answer.status, answer.json, answer.header("Set-Cookie")) == (200, {}, None), header
        assert calls == [], header
        assert visitor.get("/set/a/1", HTTP_COOKIE=header).status == 200, header
        assert calls in (["add"], ["seal"]), header
        assert visitor.cookie not in header
        assert visitor.data() == {"a": "1"}, header
        assert visits.visitor().get("/data", HTTP_COOKIE=header).json == {}, header
        calls.clear()


@pytest.mark.parametrize("end", ["logout", "regenerate_id"])
def test_who_ends_what_is_not_ours_ends_nothing(visitor: Visitor, end: str) -> None:
    for header in STRANGE:
        answer = visitor.visits.visitor().send(lambda session: getattr(session, end)(), HTTP_COOKIE=header)
        assert answer.status == 200, header
    assert visitor.data() == {"a": "1"}


def forgeries(mine: str, other: str) -> Iterator[str]:
    """Values that a visitor can make of two real ones."""
    id, dot, mark = mine.partition(".")
    for cut in (1, 2, len(mine) // 2, len(mine) - 1):
        yield mine[:-cut]
        yield mine[cut:]
    for spot in (0, len(mine) // 2, len(mine) - 1):
        yield mine[:spot] + ("A" if mine[spot] != "A" else "B") + mine[spot + 1 :]
    yield from (mine.swapcase(), mine[::-1], mine + mine, mine + "A", mine + ".", mine + "==", "." + mine)
    yield from (mine + "\x00", mine + "\xff", mine + "%00", mine + " A", mine.replace(mine[5], "/", 1))
    yield from (mine + "~x", mine + "~-1", mine + "~1~2", mine + "~1.5", mine + "~0x1", mine + "~\xb2", mine + "~+1")
    yield mine + "~" + "9" * 10_240
    if dot:
        yield from (id, id + ".", f"{id}.{other.partition('.')[2]}", f"{new_id()}.{mark}", f"{id}..{mark}")
        yield f"{id}.{mark}.{mark}"


def test_what_is_made_of_real_values_does_not_open(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    other = visitor.visits.visitor()
    other.set(b="2")
    calls = watched(visitor.visits.store, monkeypatch)
    for forged in forgeries(visitor.cookie, other.cookie):
        answer = visitor.visits.visitor(forged).get("/data")
        assert (answer.status, answer.json) == (200, {}), forged
    assert calls == []
    assert (visitor.data(), other.data()) == ({"a": "1"}, {"b": "2"})


def test_a_value_has_one_spelling(visitor: Visitor) -> None:
    value = visitor.cookie
    for letter in string.ascii_letters + string.digits + "-_+/=":
        opened = visitor.visits.visitor(value[:-1] + letter).data()
        assert (opened != {}) == (letter == value[-1]), letter


@pytest.mark.parametrize("fence", ["", "0", "1", "999", "000000000000001", "9" * 15])
def test_a_fence_that_was_made_up_shows_nobody_anything_else(visitor: Visitor, fence: str) -> None:
    forger = visitor.visits.visitor(f"{visitor.cookie}~{fence}")
    carried = visitor.visits.store.name == "cookie"  # which has no fences
    assert forger.data() == ({} if carried else {"a": "1"})
    forger.set(b="2")
    assert forger.data() == ({"b": "2"} if carried else {"a": "1", "b": "2"})
    assert visitor.data() == ({"a": "1"} if carried else {"a": "1", "b": "2"})


def test_without_a_secret_a_chosen_id_is_asked_for_and_not_adopted(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = Visits(store, secret=())
    calls = watched(store, monkeypatch)
    chosen = new_id()
    visitor = visits.visitor(chosen)
    assert visitor.data() == {}
    assert calls == ([] if store.name == "cookie" else ["read"])
    visitor.set(a="1")
    assert visitor.cookie != chosen
    assert visits.visitor(chosen).data() == {}
    assert visits.visitor(visitor.cookie + "." + "b" * 24).data() == {}, "who signs nothing takes no signature"
    assert visitor.data() == {"a": "1"}


def test_a_planted_session_is_nobody_s_once_its_victim_signs_in(visits: Visits) -> None:
    attacker = visits.visitor()
    attacker.set(planted=True)
    victim = visits.visitor(attacker.cookie)
    victim.run(lambda session: session.login("victim"))
    victim.set(secret="the victim's")
    assert attacker.run(lambda session: session.user) is None
    assert attacker.data() == ({} if visits.store.revokes else {"planted": True})
    assert victim.run(lambda session: session.user) == "victim"


def test_a_stolen_cookie_is_worth_nothing_after_the_next_sign_in(visits: Visits) -> None:
    victim = visits.visitor()
    victim.run(lambda session: session.login("victim"))
    thief = visits.visitor(victim.cookie)
    victim.run(lambda session: session.login("victim"))
    assert thief.run(lambda session: session.user) == (None if visits.store.revokes else "victim")


def test_a_cookie_is_worth_nothing_after_its_visitor_has_signed_out(visits: Visits) -> None:
    victim = visits.visitor()
    victim.run(lambda session: session.login("victim"))
    replay = visits.visitor(victim.cookie)
    victim.run(lambda session: session.logout())
    assert replay.run(lambda session: session.user) == (None if visits.store.revokes else "victim")
    replay.set(a="1")
    assert replay.run(lambda session: session.user) == (None if visits.store.revokes else "victim")


def test_another_secret_s_cookies_are_not_asked_for(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    store = visitor.visits.store
    if store.name == "cookie":
        from demijohn.sessions.stores.cookie import CookieStore

        store = CookieStore(["another secret, also long"], "session")
    calls = watched(store, monkeypatch)
    other = Visits(store, secret="another secret, also long").visitor(visitor.cookie)
    assert other.data() == {}
    assert calls == []


@pytest.mark.parametrize("rotated", ["new", "both"])
def test_secrets_can_be_changed_one_after_the_other(visitor: Visitor, rotated: str) -> None:
    secrets = ["the new secret, long"] + [SECRET] * (rotated == "both")
    store = visitor.visits.store
    if store.name == "cookie":
        from demijohn.sessions.stores.cookie import CookieStore

        store = CookieStore(secrets, "session")
    later = Visits(store, secret=secrets).visitor(visitor.cookie)
    assert later.data() == ({"a": "1"} if rotated == "both" else {})


@pytest.mark.parametrize("name", STORES)
def test_another_site_s_sessions_on_the_same_server_are_not_seen(name: str, request: pytest.FixtureRequest) -> None:
    """Even if both have the same secret. What keeps them apart is the prefix, the database or the cookie's name."""
    elsewhere, key = name, "session"
    for one, its in (("mariadb", "postgresql"), ("postgresql", "mariadb"), ("sql-sqlite", "memory")):
        if one in name:
            elsewhere = name.replace(one, its)
            break
    with made(name, request) as here, made(elsewhere, request, prefix="other") as there:
        if name == "cookie":
            from demijohn.sessions.stores.cookie import CookieStore

            key, there = "sid", CookieStore([SECRET], "sid")
        mine = Visits(here).visitor()
        mine.run(lambda session: session.login(42))
        other = Visits(there, key=key).visitor(mine.cookie)
        assert other.run(lambda session: session.user) is None
        other.run(lambda session: session.logout())
        assert mine.run(lambda session: session.user) == 42


# What somebody has written into the store


class Trap:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("A planted pickle was run.",))


PICKLE = pickle.dumps(Trap(), 0)
BOMBS = {
    "pickle": PICKLE,
    "pickle in JSON": b'{"_creation_time": 1, "x": "cpytest\\nfail\\n(Vrun\\ntR."}',
    "lists": b'{"_creation_time": 1, "x": ' + b"[" * 1400 + b"]" * 1400 + b"}",
    "dicts": b'{"_creation_time": 1, "x": ' + b'{"":' * 550 + b"1" + b"}" * 550 + b"}",
    "digits": b'{"_creation_time": 1, "x": ' + b"1" * 2900 + b"e}",
    "NaN": b'{"_creation_time": 1, "x": NaN}',
    "Infinity": b'{"_creation_time": -Infinity}',
    "twice": b'{"_creation_time": 1, "_creation_time": "x"}',
    "cut": b'{"_creation_time": 1, "x": "',
}


@pytest.mark.parametrize("planted", BOMBS.values(), ids=BOMBS)
def test_what_was_planted_in_the_store_breaks_nothing(
    visits: Visits, planted: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = visits.visitor()
    visitor.plant(planted)
    with caplog.at_level(logging.WARNING, "demijohn.sessions"):
        answer = visitor.send(lambda session: (session.items(), None)[1])
    assert (answer.status, answer.errors) == (200, "")
    visitor.set(a="1")
    assert visitor.data()["a"] == "1"


def ask(address: str, command: bytes) -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(command)
        return connection.recv(100)


#: What the clients' own flags would make of a value: a pickle, a number, a compressed one...
FLAGS = [*range(1, 32), 2**16 - 1, 2**31]


@pytest.mark.parametrize("name", [name for name in STORES if name.startswith(("memcached", "cached"))])
def test_flags_in_memcached_unpickle_nothing(
    name: str, request: pytest.FixtureRequest, memcached: MemcachedServer
) -> None:
    with made(name, request) as store:
        visitor = Visits(store).visitor()
        for flags in FLAGS:
            visitor.set(a="1")
            kind = b"c" if store.name == "cached-sql" else b"s"
            key = b"test:%b:%b" % (kind, visitor.run(lambda session: session.id).encode())
            command = b"set %b %d 0 %d\r\n%b\r\n" % (key, flags, len(PICKLE), PICKLE)
            assert ask(memcached.address, command) == b"STORED\r\n"
            # The table has it still.
            assert visitor.data() == ({"a": "1"} if store.name == "cached-sql" else {}), flags


def test_a_pickle_in_redis_is_not_loaded(request: pytest.FixtureRequest, redis: Any) -> None:
    with made("redis", request) as store:
        visitor = Visits(store).visitor()
        visitor.set(a="1")
        key = b"test:s:" + visitor.run(lambda session: session.id).encode()
        command = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(PICKLE), PICKLE)
        assert ask(redis.address, command) == b"+OK\r\n"
        assert visitor.data() == {}
        visitor.set(b="2")
        assert visitor.data() == {"b": "2"}


@pytest.mark.parametrize("name", [name for name in STORES if name.startswith(("memcached", "cached", "sql-mariadb"))])
def test_the_server_is_not_asked_for_what_is_not_ours(name: str, request: pytest.FixtureRequest) -> None:
    memcached: MemcachedServer = request.getfixturevalue("memcached")
    mariadb: MariaDB = request.getfixturevalue("mariadb")
    counting: Callable[[], Any] = mariadb.statements if name == "sql-mariadb" else memcached.commands
    with made(name, request) as store:
        visitor = Visits(store).visitor()
        visitor.set(a="1")
        other = visitor.visits.visitor()
        other.set(b="2")
        with counting() as seen:
            for header in [*STRANGE, *(f"session={value}" for value in forgeries(visitor.cookie, other.cookie))]:
                assert visitor.visits.visitor().get("/data", HTTP_COOKIE=header).json == {}
        assert seen == []
        with counting() as seen:
            assert visitor.data() == {"a": "1"}
        assert len(seen) >= 1, "or nothing was counted"
