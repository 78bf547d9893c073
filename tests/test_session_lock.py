"""`with session.lock():`, by the same tests on every store. One that has no locks says so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demijohn.errors import LockLostError, SessionLockedError, StoreCannotError
from demijohn.sessions.stores.base import Locking
from tests.services import PATIENCE
from tests.visits import Visitor, Visits, elsewhere, fails


def locked(visitor: Visitor, handler: Callable[[Any], Any], **options: Any) -> Callable[[Any], Any]:
    """`handler` inside the session's lock; on a store that has none, the check that it says so, in place of it."""

    def handle(session: Any) -> Any:
        if isinstance(visitor.visits.store, Locking):
            with session.lock(**{"wait": PATIENCE, "life": 2 * PATIENCE, **options}):
                return handler(session)
        with pytest.raises(StoreCannotError) as caught, session.lock(**options):
            pytest.fail("There is no lock, and the work was begun.")
        assert "cannot lock a session. Set session.type to one that can: cached-sql, sql" in str(caught.value)
        assert (caught.value.store, "sql" in caught.value.others) == (visitor.visits.store.name, True)
        return None

    return handle


def can(visitor: Visitor) -> bool:
    return isinstance(visitor.visits.store, Locking)


def count(session: Any) -> None:
    session["count"] = session.get("count", 0) + 1


def test_one_at_a_time_nothing_is_counted_twice(visitor: Visitor) -> None:
    def work(_number: int) -> None:
        other = visitor.visits.visitor(visitor.cookie)
        for _ in range(4):
            other.run(locked(other, count))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert visitor.data() == ({"a": "1", "count": 24} if can(visitor) else {"a": "1"})


def test_two_processes_have_one_lock(visitor: Visitor, twin: Any) -> None:
    if twin is None:
        assert not visitor.visits.store.durable, "memory is one process's alone"
        return
    sites = [visitor.visits, Visits(twin)]

    def work(number: int) -> None:
        other = sites[number % 2].visitor(visitor.cookie)
        for _ in range(4):
            other.run(locked(other, count))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert visitor.data() == ({"a": "1", "count": 16} if can(visitor) else {"a": "1"})


def test_inside_is_what_was_there_when_the_lock_was_taken(visitor: Visitor) -> None:
    def work(session: Any) -> Any:
        session.get("a")
        elsewhere(lambda: visitor.set(a="theirs"))
        return locked(visitor, lambda session: session["a"])(session)

    assert visitor.run(work) == ("theirs" if can(visitor) else None)


def test_what_was_changed_before_the_lock_is_kept_and_seen_inside(visitor: Visitor) -> None:
    def work(session: Any) -> Any:
        session["before"] = 1
        elsewhere(lambda: visitor.set(theirs=1))
        return locked(visitor, lambda session: (session["before"], session["theirs"]))(session)

    if not can(visitor):
        visitor.run(locked(visitor, count))
        return
    assert visitor.run(work) == (1, 1)
    assert visitor.data() == {"a": "1", "before": 1, "theirs": 1}


def test_at_the_end_it_is_kept_and_the_lock_free_again(visitor: Visitor) -> None:
    def work(session: Any) -> Any:
        locked(visitor, count)(session)
        seen = elsewhere(visitor.visits.visitor(visitor.cookie).data)
        elsewhere(lambda: visitor.run(locked(visitor, count, wait=0)))
        return seen

    assert visitor.run(work) == ({"a": "1", "count": 1} if can(visitor) else {"a": "1"})
    assert visitor.data() == ({"a": "1", "count": 2} if can(visitor) else {"a": "1"})


def test_a_lock_goes_on_under_the_id_it_was_taken_for(visitor: Visitor) -> None:
    def sign_in(session: Any) -> None:
        session.login(42)
        count(session)

    visitor.run(locked(visitor, sign_in, wait=0))
    assert visitor.run(lambda session: session.user) == (42 if can(visitor) else None)
    visitor.run(locked(visitor, count, wait=0))
    assert visitor.data() == ({"a": "1", "count": 2} if can(visitor) else {"a": "1"})


def test_a_new_session_needs_no_lock(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.run(locked(visitor, count))
    assert visitor.data() == ({"count": 1} if can(visitor) else {})


def test_where_something_is_raised_nothing_is_kept(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    def break_off(session: Any) -> None:
        session["half"] = "done"
        raise ZeroDivisionError

    def work(session: Any) -> None:
        try:
            locked(visitor, break_off)(session)
        except ZeroDivisionError:
            assert "half" not in session
            session["after"] = "all"

    visitor.run(work)
    assert visitor.data() == ({"a": "1", "after": "all"} if can(visitor) else {"a": "1"})
    visitor.run(locked(visitor, count, wait=0))  # the lock is free
    if can(visitor):
        assert "ZeroDivisionError" in fails(caplog, visitor.send(locked(visitor, break_off)))
        assert "half" not in visitor.data()


def test_who_has_waited_too_long_is_told_to_come_again(visitor: Visitor) -> None:
    answers = []

    def work(session: Any) -> None:
        def impatient(session: Any) -> None:
            session["second"] = 1
            with pytest.raises(SessionLockedError) as caught:
                locked(visitor, count, wait=0.05)(session)
            assert caught.value.waited == 0.05
            assert "have held the lock of their session for 0.05 s. Do less inside" in str(caught.value)
            raise caught.value

        answers.append(elsewhere(lambda: visitor.visits.visitor(visitor.cookie).send(impatient)))
        count(session)

    visitor.run(locked(visitor, work))
    if can(visitor):
        (answer,) = answers
        assert (answer.status, answer.header("Retry-After")) == (503, "2")
        assert "Another request of yours is still being worked on" in answer.text
        assert visitor.data() == {"a": "1", "count": 1}


def test_a_lock_ends_by_itself_and_who_has_lost_it_keeps_nothing(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    def too_slow(session: Any) -> None:
        session["slow"] = 1
        elsewhere(lambda: visitor.run(locked(visitor, count, wait=PATIENCE)))

    def work(session: Any) -> None:
        if can(visitor):
            with pytest.raises(LockLostError) as caught:
                locked(visitor, too_slow, life=1)(session)
            assert caught.value.life == 1
            assert "took longer than the lock lives, 1 s" in str(caught.value)
            return  # the request itself succeeds
        locked(visitor, too_slow)(session)
        raise ZeroDivisionError

    answer = visitor.send(work)
    if can(visitor):
        assert answer.status == 200
    else:
        fails(caplog, answer)
    assert visitor.data() == ({"a": "1", "count": 1} if can(visitor) else {"a": "1"})


def test_who_has_lost_the_lock_does_not_take_it_from_the_next(visitor: Visitor) -> None:
    store = visitor.visits.store
    if not can(visitor):
        visitor.run(locked(visitor, count))
        return
    id = visitor.run(lambda session: session.id)
    assert store.lock(id, "second", 30)  # whose time began when the first one's was over
    assert not store.lock(id, "first", 30)
    store.unlock(id, "first")
    assert not store.lock(id, "third", 30)
    store.unlock(id, "second")
    assert store.lock(id, "third", 30)


def test_who_waits_for_a_session_that_ends_begins_a_new_one(visitor: Visitor) -> None:
    visitor.run(lambda session: session.login(42))
    old = visitor.cookie
    waiting = visitor.visits.visitor(old)
    if not can(visitor):
        visitor.run(locked(visitor, count))
        return
    with ThreadPoolExecutor(1) as threads:

        def sign_out(session: Any) -> None:
            begun = threads.submit(waiting.run, locked(waiting, count))
            assert not begun.done()
            session.logout()
            session.persist()
            begun.result(PATIENCE)

        visitor.run(locked(visitor, sign_out))
    assert waiting.data() == {"count": 1}
    assert waiting.run(lambda session: session.user) is None
    assert waiting.cookie != old
    assert visitor.visits.visitor(old).data() == {}


@pytest.mark.parametrize("options", [{"wait": -1}, {"life": 0}])
def test_what_makes_no_sense_is_refused(visitor: Visitor, options: dict[str, Any]) -> None:
    def work(session: Any) -> None:
        if can(visitor):
            with pytest.raises(ValueError, match="wait is at least 0 s, life at least 1 s"), session.lock(**options):
                pytest.fail("It was begun.")

    visitor.run(work)
    visitor.run(locked(visitor, count))


def test_two_sessions_have_two_locks(visitor: Visitor) -> None:
    other = visitor.visits.visitor()
    other.set(b="2")
    visitor.run(locked(visitor, lambda _session: elsewhere(lambda: other.run(locked(other, count, wait=0)))))
    assert other.data() == ({"b": "2", "count": 1} if can(visitor) else {"b": "2"})


def test_the_store_knows_who_holds_a_lock(visitor: Visitor) -> None:
    store = visitor.visits.store
    if not can(visitor):
        visitor.run(locked(visitor, count))
        return
    id = visitor.cookie.partition(".")[0]
    assert not store.holds(id, "mine")
    assert store.lock(id, "mine", 30)
    assert (store.holds(id, "mine"), store.holds(id, "another's")) == (True, False)
    store.unlock(id, "mine")
    assert not store.holds(id, "mine")


def test_a_lock_that_ended_at_the_server_before_its_time_is_noticed(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """memcached's clock stands still while it is starved, and then jumps."""
    if not can(visitor):
        visitor.run(locked(visitor, count))
        return
    monkeypatch.setattr(visitor.visits.store, "holds", lambda id, token: False)

    def work(session: Any) -> None:
        with pytest.raises(LockLostError):
            locked(visitor, count)(session)

    visitor.run(work)
    assert visitor.data() == {"a": "1"}
