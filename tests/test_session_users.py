"""All the sessions of one user, and how many there are, by the same tests on every store. One that cannot says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from demijohn.errors import StoreCannotError
from demijohn.sessions.cookie import new_id
from demijohn.sessions.stores.base import Cleaning, Counting, Listing
from tests.visits import Clock, Visitor, Visits, elsewhere, overlap


def signed_in(visits: Visits, *users: Any) -> list[Visitor]:
    visitors = []
    for user in users:
        visitor = visits.visitor()
        visitor.run(lambda session, user=user: (session.login(user), session.update(name=str(user)))[0])  # type: ignore[misc]
        visitors.append(visitor)
    return visitors


def user_of(visitor: Visitor) -> Any:
    return visitor.run(lambda session: session.user)


def can(visits: Visits) -> bool:
    """Whether the store can list; one that cannot has said so."""
    if isinstance(visits.store, Listing):
        return True
    ways: list[Callable[[], Any]] = [lambda: visits.sessions.of(42), lambda: visits.sessions.end_all(42)]
    for way in ways:
        with pytest.raises(StoreCannotError) as caught:
            way()
        words = "cannot find all the sessions of a user. Set session.type to one that can: cached-sql, sql, redis"
        assert words in str(caught.value)
        assert caught.value.store == visits.store.name
    return False


def test_they_are_listed_the_newest_first(visits: Visits) -> None:
    first, second, _ = signed_in(visits, 42, 42, "eve")
    if not can(visits):
        return
    listed = visits.sessions.of(42)
    assert [visit.id for visit in listed] == [v.run(lambda session: session.id) for v in (second, first)]
    for visit in listed:
        assert visit.data == {"name": "42"}
        assert abs(visit.created - time.time()) < 20
        assert abs(visit.last_accessed - time.time()) < 20
    assert visits.sessions.of("nobody") == []


def test_they_are_ended_and_nobody_else_s(visits: Visits) -> None:
    *anns, eve = signed_in(visits, "ann", "ann", "ann", "eve")
    nobody = visits.visitor()
    nobody.set(a="1")
    if not can(visits):
        return
    assert visits.sessions.end_all("ann") == 3
    assert [user_of(visitor) for visitor in anns] == [None] * 3
    assert (user_of(eve), nobody.data()) == ("eve", {"a": "1"})
    assert (visits.sessions.of("ann"), visits.sessions.end_all("ann")) == ([], 0)


def test_who_ends_the_others_stays(visits: Visits) -> None:
    visitors = signed_in(visits, 42, 42, 42)
    if not can(visits):
        return
    ended = visitors[1].run(lambda session: visits.sessions.end_all(session.user, keep=session.id))
    assert ended == 2
    assert [user_of(visitor) for visitor in visitors] == [None, 42, None]


def test_a_number_and_its_text_are_the_same_user(visits: Visits) -> None:
    signed_in(visits, 1, "1", "01")
    if not can(visits):
        return
    assert len(visits.sessions.of(1)) == len(visits.sessions.of("1")) == 2
    assert visits.sessions.end_all("1") == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [("Anna", "anna"), ("é", "e"), ("a", "a "), ("a", "a\x00"), ("ß", "ss"), ("é", "e\u0301"), ("x" * 190, "x" * 189)],
)
def test_what_a_database_may_take_for_one_are_two_users(visits: Visits, one: str, other: str) -> None:
    first, second = signed_in(visits, one, other)
    if not can(visits):
        return
    assert [visit.data["name"] for visit in visits.sessions.of(one)] == [one]
    assert visits.sessions.end_all(other) == 1
    assert (user_of(first), user_of(second)) == (one, None)


def test_what_has_ended_is_not_listed(visits: Visits) -> None:
    left, moved, _stays = signed_in(visits, 42, 42, 42)
    left.run(lambda session: session.logout())
    moved.run(lambda session: session.regenerate_id())
    if can(visits):
        assert len(visits.sessions.of(42)) == 2


def test_who_signs_in_as_somebody_else_is_not_listed_any_more(visits: Visits) -> None:
    (visitor,) = signed_in(visits, "ann")
    visitor.run(lambda session: session.login("eve"))
    if can(visits):
        assert (len(visits.sessions.of("ann")), len(visits.sessions.of("eve"))) == (0, 1)


def test_what_is_written_and_touched_later_stays_listed(store: Any, clock: Clock) -> None:
    visits = Visits(store, timeout=1000)
    (visitor,) = signed_in(visits, 42)
    visitor.set(a="1")
    clock.ahead = 500
    visitor.data()
    clock.ahead = 900
    if can(visits):
        (visit,) = visits.sessions.of(42)
        assert visit.data == {"name": "42", "a": "1"}
        assert visit.last_accessed - visit.created >= 490


def test_who_is_signed_out_everywhere_while_they_write_is_out(visits: Visits) -> None:
    (visitor,) = signed_in(visits, 42)
    if not can(visits):
        return
    old = visitor.cookie
    overlap(visitor, lambda session: session.update(late=1), lambda: visits.sessions.end_all(42))
    assert user_of(visitor) is None
    assert user_of(visits.visitor(old)) is None


def test_the_other_process_s_visitors_are_out_at_once(visits: Visits, twin: Any) -> None:
    if twin is None or not can(visits):
        assert visits.store.name in ("memory", "memcached", "cookie")
        return
    (visitor,) = signed_in(visits, 42)
    there = Visits(twin).visitor(visitor.cookie)
    assert (user_of(visitor), user_of(there)) == (42, 42)
    assert there.visits.sessions.end_all(42) == 1
    assert (user_of(visitor), user_of(there)) == (None, None)


def test_a_user_may_have_very_many(visits: Visits) -> None:
    if not can(visits):
        return
    payload = b'{"_creation_time":1.5,"_user":42}'
    kept = [new_id() for _ in range(510)]
    for id in kept:
        assert visits.store.add(id, payload, 600, "42") is not None
    assert {visit.id for visit in visits.sessions.of(42)} == {*kept}
    assert visits.sessions.end_all(42, keep=kept[7]) == 509
    assert [visit.id for visit in visits.sessions.of(42)] == [kept[7]]


@pytest.mark.parametrize("payload", [b"[]", b"no json", b'{"_creation_time":"x"}', b'{"a":1}'])
def test_what_is_not_ours_is_passed_over(visits: Visits, payload: bytes) -> None:
    signed_in(visits, 42)
    if not can(visits):
        return
    visits.store.add(new_id(), payload, 600, "42")
    assert [visit.data for visit in visits.sessions.of(42)] == [{"name": "42"}]


def test_how_many_there_are_is_counted(visits: Visits) -> None:
    signed_in(visits, 1, 2, 3)
    if isinstance(visits.store, Counting):
        assert visits.store.count() == (3, 0)
    else:
        assert visits.store.name in ("memcached", "cookie")


def test_what_is_over_is_cleaned_away_and_nothing_else(store: Any, clock: Clock) -> None:
    cleaning = isinstance(store, Cleaning)
    if not cleaning:
        assert store.name in ("memcached", "cookie", "redis", "memory"), "they drop what is over by themselves"
        return
    for ttl in (10, 20, 30, 600, 700):
        assert store.add(new_id(), b"{}", ttl) is not None
    clock.ahead = 100
    store.add(new_id(), b"{}", 600)
    assert store.count() == (3, 3)
    assert store.over(time.time()) == 3
    assert list(store.clean(time.time(), batch=2)) == [2, 1]
    assert store.count() == (3, 0)
    assert list(store.clean(time.time(), batch=2)) == []


def test_a_visitor_who_is_cleaned_away_by_force_is_out(visits: Visits) -> None:
    (visitor,) = signed_in(visits, 42)
    if isinstance(visits.store, Cleaning):
        assert sum(visits.store.clean(time.time() + 10**9)) == 1
        assert elsewhere(lambda: user_of(visitor)) is None
    else:
        assert user_of(visitor) == 42
