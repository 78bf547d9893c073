"""`cached-sql` goes on without memcached: nothing is lost, nobody is signed out, and what has been signed out stays so.
Two stores stand for two processes of the site."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from demijohn.memcached import Memcached
from demijohn.sessions.stores.cached import CachedSqlStore
from tests.services import MariaDB, until
from tests.services import Memcached as MemcachedServer
from tests.visits import CLIENTS, Visitor, Visits, elsewhere, made
from tests.wire import Wire


class Pair(NamedTuple):
    here: Visits
    there: Visits
    memcached: MemcachedServer
    mariadb: MariaDB

    def at(self, visits: Visits, visitor: Visitor) -> Visitor:
        """The same visitor, whom another process answers."""
        return visits.visitor(visitor.cookie)


@pytest.fixture(params=CLIENTS)
def pair(request: pytest.FixtureRequest, memcached: MemcachedServer, mariadb: MariaDB) -> Iterator[Pair]:
    name = f"cached-mariadb-{request.param}"
    with made(name, request) as here, made(name, request, make_table=False) as there:
        yield Pair(Visits(here), Visits(there), memcached, mariadb)


@pytest.fixture
def ann(pair: Pair) -> Visitor:
    visitor = pair.here.visitor()
    visitor.run(lambda session: session.login(42))
    visitor.set(count=0)
    return visitor


def user(visitor: Visitor) -> Any:
    return visitor.run(lambda session: session.user)


def count(visitor: Visitor) -> None:
    visitor.run(lambda session: session.update(count=session["count"] + 1))


def follow(pair: Pair, visitor: Visitor, times: int = 3) -> None:
    """The visitor goes to and fro between the processes, and each sees all that the other has done."""
    for _ in range(times):
        before = visitor.data()["count"]
        for visits in (pair.there, pair.here):
            other = pair.at(visits, visitor)
            count(other)
            visitor.cookie = other.cookie
        assert visitor.data()["count"] == before + 2
        assert user(visitor) == 42


def test_while_memcached_is_down_all_goes_on(pair: Pair, ann: Visitor) -> None:
    follow(pair, ann)
    pair.memcached.stop()
    follow(pair, ann)
    new = pair.here.visitor()
    new.run(lambda session: session.login(7))
    assert user(pair.at(pair.there, new)) == 7
    old = new.cookie
    new.run(lambda session: session.regenerate_id())
    assert user(new) == 7
    new.run(lambda session: session.logout())
    assert [user(visits.visitor(old)) for visits in (pair.here, pair.there)] == [None, None]
    pair.memcached.start()
    follow(pair, ann)


def test_who_comes_while_memcached_is_down_stays_when_it_is_back(pair: Pair) -> None:
    pair.memcached.stop()
    new = pair.here.visitor()
    new.run(lambda session: session.login(42))
    new.set(count=1)
    assert "~" in new.cookie, "what memcached could not be told is told by the cookie"
    pair.memcached.start()
    follow(pair, new)
    assert new.data() == {"count": 7}


def test_a_restart_or_a_flush_loses_nothing(pair: Pair, ann: Visitor) -> None:
    for lose in (pair.memcached.restart, pair.memcached.flush, pair.memcached.restart):
        before = ann.data()["count"]
        lose()
        count(ann)
        assert user(pair.at(pair.there, ann)) == 42
        assert pair.at(pair.there, ann).data()["count"] == before + 1
        follow(pair, ann, 1)


def test_what_is_written_while_memcached_is_frozen_is_what_is_read_after(pair: Pair, ann: Visitor) -> None:
    user(pair.at(pair.there, ann))
    with pair.memcached.frozen():
        count(ann)
        assert ann.data() == {"count": 1}
        assert pair.at(pair.there, ann).data() == {"count": 1}
    assert "~" in ann.cookie
    # memcached has the old count still.
    for _ in range(20):
        assert pair.at(pair.there, ann).data() == {"count": 1}
        assert ann.data() == {"count": 1}
    follow(pair, ann)
    assert ann.data() == {"count": 7}


def test_an_old_cookie_s_copy_is_corrected_when_memcached_answers(pair: Pair, ann: Visitor) -> None:
    before = ann.cookie
    with pair.memcached.frozen():
        count(ann)
    old = pair.there.visitor(before)
    until(lambda: (user(ann), old.data()["count"])[1] == 1, "memcached goes on with an old copy.")


def test_who_signs_out_while_memcached_is_frozen_stays_out(pair: Pair, ann: Visitor) -> None:
    other = pair.here.visitor()
    other.set(a="1")
    before = ann.cookie
    assert user(pair.there.visitor(before)) == 42  # the copy in memcached
    with pair.memcached.frozen():
        ann.run(lambda session: session.logout())
        assert user(pair.here.visitor(before)) is None
        assert user(pair.there.visitor(before)) is None
    assert [user(pair.here.visitor(before)) for _ in range(20)] == [None] * 20
    # This process tells memcached as soon as it asks it for anything, and then the other knows.
    until(lambda: (other.data(), user(pair.there.visitor(before)))[1] is None, "Signed in again.")
    assert [user(pair.there.visitor(before)) for _ in range(5)] == [None] * 5


def test_who_is_signed_out_everywhere_while_memcached_is_frozen_stays_out(pair: Pair, ann: Visitor) -> None:
    other = pair.here.visitor()
    other.set(a="1")
    with pair.memcached.frozen():
        assert pair.here.sessions.end_all(42) == 1
    assert user(ann) is None
    until(lambda: (other.data(), user(pair.at(pair.there, ann)))[1] is None, "Signed in again.")


def test_a_rotation_while_memcached_is_frozen_kills_the_old_id(pair: Pair, ann: Visitor) -> None:
    before = ann.cookie
    with pair.memcached.frozen():
        ann.run(lambda session: session.regenerate_id())
        assert user(ann) == 42
    assert user(pair.here.visitor(before)) is None
    until(lambda: (user(ann), user(pair.there.visitor(before)))[1] is None, "The old id is alive.")
    follow(pair, ann)


def test_two_writers_keep_their_keys_without_memcached(pair: Pair, ann: Visitor) -> None:
    pair.memcached.stop()

    def slow(session: Any) -> None:
        session.get("count")
        elsewhere(lambda: pair.at(pair.there, ann).set(fast=1))
        session["slow"] = 1

    ann.run(slow)
    assert ann.data() == {"count": 0, "fast": 1, "slow": 1}


def test_the_lock_needs_no_memcached(pair: Pair, ann: Visitor) -> None:
    def locked(session: Any) -> None:
        with session.lock():
            session["count"] += 1

    ann.run(locked)
    pair.memcached.stop()
    ann.run(locked)
    pair.at(pair.there, ann).run(locked)
    assert ann.data() == {"count": 2 + 1}


@pytest.mark.parametrize("done", ["logout", "end_all", "write"])
def test_what_was_done_behind_a_cut_wire_is_told_when_it_is_mended(pair: Pair, ann: Visitor, done: str) -> None:
    """One process cannot reach memcached, whose copy the other one goes on to read."""
    cookie = ann.cookie
    with Wire(pair.memcached.port) as wire:
        pool = Memcached([wire.address], prefix="test")
        cut_off = Visits(CachedSqlStore(pair.here.store._sql, pool))
        same, other = cut_off.visitor(cookie), cut_off.visitor()
        other.set(b="2")
        assert (user(same), user(pair.there.visitor(cookie))) == (42, 42)
        wire.cut()
        if done == "write":
            count(same)
        elif done == "logout":
            same.run(lambda session: session.logout())
        else:
            assert cut_off.sessions.end_all(42) == 1
        assert user(cut_off.visitor(cookie)) == (42 if done == "write" else None)
        wire.mend()

        def told() -> bool:
            assert other.data() == {"b": "2"}
            again = pair.there.visitor(cookie)
            return again.data() == {"count": 1} if done == "write" else user(again) is None

        if done == "write":
            assert "~" in same.cookie, "by which its visitor sees it everywhere, told or not"
        until(told, "memcached goes on with an old copy.")
        pool.close()


@pytest.mark.parametrize("there_is", ["nothing", "a mark to look"])
@pytest.mark.parametrize("meanwhile", ["logout", "write"])
def test_a_slow_reader_puts_nothing_old_into_memcached(
    pair: Pair, ann: Visitor, meanwhile: str, there_is: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.memcached.flush()  # so that the row is read
    if there_is != "nothing":
        id = ann.run(lambda session: session.id)
        assert pair.memcached.ask(f"set test:c:{id} 0 0 1\r\n?") == "STORED\r\n"
    sql, before = pair.here.store._sql, ann.cookie
    read = sql.read

    def slow(*args: Any) -> Any:
        record = read(*args)
        monkeypatch.undo()
        other = pair.at(pair.there, ann)
        elsewhere(lambda: other.run(lambda session: session.logout()) if meanwhile == "logout" else count(other))
        return record

    monkeypatch.setattr(sql, "read", slow)
    assert ann.data() == {"count": 0}, "which was true when it was read"
    for visits in (pair.here, pair.there):
        again = visits.visitor(before)
        assert (user(again), again.data()) == ((None, {}) if meanwhile == "logout" else (42, {"count": 1}))


def test_while_the_database_is_down_what_memcached_has_is_read(pair: Pair, ann: Visitor) -> None:
    pair.mariadb.stop()
    for visits in (pair.here, pair.there):
        assert pair.at(visits, ann).data() == {"count": 0}
    assert user(ann) == 42
    cookie = ann.cookie
    for handler in (count, lambda visitor: visitor.run(lambda session: session.logout())):
        with pytest.raises(AssertionError, match="could not be kept"):
            handler(ann)
    answer = ann.send(lambda session: session.update(count=5))
    assert (answer.status, answer.header("Retry-After"), answer.header("Set-Cookie")) == (503, "2", None)
    assert (ann.cookie, ann.data()) == (cookie, {"count": 0})
    pair.mariadb.start()
    until(lambda: ann.send(lambda session: session.update(count=5)).status == 200, "It is not kept.")
    assert pair.at(pair.there, ann).data() == {"count": 5}


def test_while_both_are_down_nobody_is_signed_out(pair: Pair, ann: Visitor) -> None:
    cookie = ann.cookie
    pair.memcached.stop()
    pair.mariadb.stop()
    answer = ann.send(lambda session: str(session.user))
    assert (answer.status, answer.text, answer.header("Set-Cookie")) == (200, "None", None)
    assert ann.send(lambda session: session.update(count=5)).status == 503
    assert ann.cookie == cookie
    pair.mariadb.start()
    until(lambda: user(ann) == 42, "The session is not read again.")
    follow(pair, ann, 1)


def test_memcached_s_fault_is_said_once_and_is_no_fault_of_the_sessions(
    pair: Pair, ann: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    pair.memcached.stop()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            count(ann)
    assert Counter(record.name for record in caplog.records) == {"demijohn.memcached": 1}
