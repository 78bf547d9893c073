"""Several requests of one session at once, by the same tests on every store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.visits import Visitor, Visits, elsewhere, overlap


def test_two_writers_keep_both_their_keys(visitor: Visitor) -> None:
    def write(session: Any) -> None:
        session["slow"] = "written"
        del session["a"]

    overlap(visitor, write, lambda: visitor.set(fast="written"))
    both = {"slow": "written", "fast": "written"}
    assert visitor.data() == (both if visitor.visits.store.merges else {"slow": "written"})


def test_of_two_writers_of_one_key_the_later_wins(visitor: Visitor) -> None:
    overlap(visitor, lambda session: session.update(a="slow"), lambda: visitor.set(a="fast"))
    assert visitor.data() == {"a": "slow"}


def test_a_writer_of_nothing_new_undoes_nothing(visitor: Visitor) -> None:
    overlap(visitor, lambda session: session.update(a="1"), lambda: visitor.set(a="2"))
    assert visitor.data() == {"a": "2"}


def test_what_one_deletes_stays_deleted(visitor: Visitor) -> None:
    visitor.set(b="2", c="3")
    overlap(
        visitor,
        lambda session: (session.pop("b"), session.update(d="4")),
        lambda: visitor.run(lambda session: session.pop("c")),
    )
    assert visitor.data() == ({"a": "1", "d": "4"} if visitor.visits.store.merges else {"a": "1", "c": "3", "d": "4"})


def test_what_both_delete_is_deleted(visitor: Visitor) -> None:
    visitor.set(b="2")
    overlap(visitor, lambda session: session.pop("b"), lambda: visitor.run(lambda session: session.pop("b")))
    assert visitor.data() == {"a": "1"}


def test_a_value_is_one_piece_however_deep(visitor: Visitor) -> None:
    visitor.set(cart={"x": 1})
    overlap(
        visitor,
        lambda session: session["cart"].update(slow=1),
        lambda: visitor.run(lambda session: (session["cart"].update(fast=1), session.update(fast=1))[0]),
    )
    merged = {"a": "1", "cart": {"x": 1, "slow": 1}, "fast": 1}
    assert visitor.data() == (merged if visitor.visits.store.merges else {k: merged[k] for k in ("a", "cart")})


def test_what_was_merged_is_what_the_request_goes_on_with(visitor: Visitor) -> None:
    def write(session: Any) -> Any:
        session.get("a")
        elsewhere(lambda: visitor.set(fast=1))
        session["slow"] = 1
        session.persist()
        seen = session.get("fast")
        session["then"] = 1
        return seen

    merges = visitor.visits.store.merges
    assert visitor.run(write) == (1 if merges else None)
    assert visitor.data() == {"a": "1", "slow": 1, "then": 1, **({"fast": 1} if merges else {})}


def test_three_persists_in_one_request(visitor: Visitor) -> None:
    def write(session: Any) -> None:
        for number in range(3):
            session[f"key{number}"] = number
            session.persist()

    visitor.run(write)
    assert visitor.data() == {"a": "1", "key0": 0, "key1": 1, "key2": 2}


def test_a_slow_reader_does_not_undo_a_login(visitor: Visitor) -> None:
    overlap(visitor, lambda session: None, lambda: visitor.run(lambda session: session.login(42)))
    assert visitor.run(lambda session: session.user) == 42


def test_a_slow_reader_does_not_undo_a_write(visitor: Visitor) -> None:
    overlap(visitor, lambda session: session.get("list"), lambda: visitor.set(list=[1]))
    assert visitor.data() == {"a": "1", "list": [1]}


def test_a_slow_reader_does_not_undo_a_logout(visitor: Visitor) -> None:
    visitor.run(lambda session: session.login(42))
    old = visitor.cookie
    overlap(visitor, lambda session: session.get("a"), lambda: visitor.run(lambda session: session.logout()))
    assert visitor.cookies == {}
    assert visitor.data() == {}
    assert visitor.visits.visitor(old).data() == ({} if visitor.visits.store.revokes else {"a": "1"})


LATE: dict[str, Callable[[Any], Any]] = {
    "write": lambda session: session.update(late="1"),
    "delete": lambda session: session.pop("a"),
    "rotation": lambda session: session.regenerate_id(),
    "persist": lambda session: (session.update(late="1"), session.persist()),
    "flash": lambda session: session.flash("late"),
    "save": lambda session: session.save(),
    "logout": lambda session: session.logout(),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("end", ["logout", "invalidate", "delete"])
def test_a_logout_beats_whatever_was_being_done(visitor: Visitor, end: str, late: Callable[[Any], Any]) -> None:
    visitor.run(lambda session: session.login(42))
    old = visitor.cookie
    overlap(visitor, late, lambda: visitor.run(lambda session: getattr(session, end)()))
    if visitor.visits.store.revokes:
        assert visitor.run(lambda session: session.user) is None
        assert visitor.data() == {}
        assert visitor.visits.visitor(old).run(lambda session: session.user) is None
    else:
        # Whoever was late has sent the session along once more; or a copy of the cookie from before does.
        assert visitor.visits.visitor(old).run(lambda session: session.user) == 42


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_what_is_late_never_brings_the_id_before_a_rotation_back(visitor: Visitor, late: Callable[[Any], Any]) -> None:
    old = visitor.cookie
    new: list[str] = []

    def rotate() -> None:
        visitor.run(lambda session: session.regenerate_id())
        new.append(visitor.cookie)

    overlap(visitor, late, rotate)
    if visitor.visits.store.revokes:
        assert visitor.visits.visitor(old).data() == {}
        assert visitor.visits.visitor(new[0]).data() == {"a": "1"}, "who has moved on stays where they are"


def test_who_signs_in_while_they_sign_in_is_in(visitor: Visitor) -> None:
    """A double click on the button: two logins, of which the later one's cookie stays in the browser."""
    overlap(visitor, lambda session: session.login(42), lambda: visitor.run(lambda session: session.login(42)))
    assert visitor.run(lambda session: session.user) == 42
    assert visitor.data() == {"a": "1"}


def test_a_login_outlives_the_logout_of_the_session_before_it(visitor: Visitor) -> None:
    overlap(visitor, lambda session: session.login(42), lambda: visitor.run(lambda session: session.logout()))
    assert visitor.run(lambda session: session.user) == 42


def test_fifty_writers_of_one_session(visitor: Visitor) -> None:
    def write(number: int) -> Visitor:
        other = visitor.visits.visitor(visitor.cookie)
        other.run(lambda session: session.update({f"key{number}": number}))
        return other

    with ThreadPoolExecutor(50) as threads:
        written = list(threads.map(write, range(50)))
    if visitor.visits.store.merges:
        assert visitor.data() == {"a": "1", **{f"key{number}": number for number in range(50)}}
    else:
        assert [len(other.data()) for other in written] == [2] * 50, "each has their own change, and no other's"


def test_fifty_visitors_at_once_see_only_their_own(visits: Visits) -> None:
    def visit(number: int) -> bool:
        visitor = visits.visitor()
        for round in range(3):
            visitor.set(mine=f"{number}-{round}")
            if visitor.data() != {"mine": f"{number}-{round}"}:
                return False
        return True

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(visit, range(50)))


def test_what_one_process_writes_the_other_reads(visitor: Visitor, twin: Any) -> None:
    if twin is None:
        assert not visitor.visits.store.durable, "memory is one process's alone"
        return
    other = Visits(twin).visitor(visitor.cookie)
    for number in range(3):
        other.set(there=number)
        if other.cookie != visitor.cookie:
            visitor.cookie = other.cookie
        assert visitor.data()["there"] == number
        visitor.set(here=number)
        other.cookie = visitor.cookie
        assert other.data()["here"] == number
    other.run(lambda session: session.logout())
    assert visitor.data() == ({} if visitor.visits.store.revokes else {"a": "1", "here": 2, "there": 2})
