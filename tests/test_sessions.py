"""A session from its beginning to its end, by the same tests on every store."""

from __future__ import annotations

from typing import Any

import pytest

from demijohn.errors import SessionDataError
from demijohn.sessions.stores import NAMES
from tests.services import until
from tests.visits import Visitor, Visits, data_of, watched


def test_the_store_has_a_name_and_says_what_it_promises(store: Any) -> None:
    assert store.name in NAMES
    assert {type(promise) for promise in (store.durable, store.merges, store.revokes)} == {bool}


def test_kept_from_request_to_request(visits: Visits) -> None:
    visitor = visits.visitor()
    answer = visitor.get("/set/a/1")
    assert (answer.header("Set-Cookie") or "").endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert visitor.get("/data").json == {"a": "1"}
    visitor.get("/set/b/ü".encode().decode("latin1"))
    assert visitor.data() == {"a": "1", "b": "ü"}


def test_each_visitor_has_one_of_their_own(visitor: Visitor) -> None:
    other = visitor.visits.visitor()
    assert other.data() == {}
    other.set(b="2")
    assert (visitor.data(), other.data()) == ({"a": "1"}, {"b": "2"})
    assert visitor.run(lambda session: session.id) != other.run(lambda session: session.id)


def test_the_environ_has_it_where_beaker_has_it(visitor: Visitor) -> None:
    import bottle

    assert visitor.run(lambda session: bottle.request.environ["beaker.session"] is session)


# What is not used costs nothing


def test_untouched_it_costs_nothing(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watched(visitor.visits.store, monkeypatch)
    for someone in (visitor, visitor.visits.visitor()):
        answer = someone.get("/untouched")
        assert (answer.header("Set-Cookie"), answer.header("Vary")) == (None, None)
    assert calls == []


def test_a_new_one_that_is_only_read_is_not_begun(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watched(visits.store, monkeypatch)
    answer = visits.visitor().get("/data")
    assert (answer.json, answer.header("Set-Cookie"), answer.header("Vary")) == ({}, None, "Cookie")
    assert calls == []


@pytest.mark.parametrize(
    "look",
    [
        data_of,
        lambda session: session["list"],
        lambda session: session.get("list"),
        lambda session: [session.user, session.flashes(), session.accessed(), session.known(), session.dirty()],
        lambda session: ["list" in session, len(session), list(session), repr(session), session.last_accessed],
    ],
    ids=["items", "list", "get", "asked", "dict"],
)
def test_a_read_never_writes(visitor: Visitor, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor.set(list=[1, [2, {"x": "ü"}]], float=0.1)
    before = visitor.record()
    calls = watched(visitor.visits.store, monkeypatch)
    answer = visitor.send(lambda session: look(session) and None)
    assert (answer.status, answer.header("Set-Cookie"), answer.header("Vary")) == (200, None, "Cookie")
    assert [call for call in calls if call != "read"] == []
    assert calls.count("read") <= 1
    after = visitor.record()
    assert before is not None
    assert after is not None
    assert (after.payload, after.ends) == (before.payload, before.ends)


def test_writing_what_is_there_already_is_no_write(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watched(visitor.visits.store, monkeypatch)
    visitor.set(a="1")
    assert {*calls} <= {"read"}


def test_a_later_write_asks_the_store_twice(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watched(visitor.visits.store, monkeypatch)
    visitor.set(a="2")
    assert calls == (["seal"] if visitor.visits.store.name == "cookie" else ["read", "replace"])


# What it is like


def test_it_is_a_dict(visitor: Visitor) -> None:
    def change(session: Any) -> None:
        session["b"] = [1]
        session.update(c=3, d=4)
        del session["a"]
        assert session.pop("c") == 3
        assert session.setdefault("e", "5") == "5"
        assert session.setdefault("e", "6") == "5"
        assert ("d" in session, "a" in session, session.has_key("d")) == (True, False, True)
        assert bool(session)
        with pytest.raises(KeyError):
            session["a"]

    visitor.run(change)
    assert visitor.data() == {"b": [1], "d": 4, "e": "5"}


def test_a_list_that_is_changed_in_place_is_a_change(visitor: Visitor) -> None:
    for _ in range(3):
        visitor.run(lambda session: session.setdefault("list", []).append("x"))
    visitor.run(lambda session: session["list"].append("y"))
    visitor.run(lambda session: session.get("list").append("z"))
    assert visitor.data() == {"a": "1", "list": ["x", "x", "x", "y", "z"]}


def test_a_dict_deep_inside_that_is_changed_is_a_change(visitor: Visitor) -> None:
    visitor.set(cart={"items": [{"id": 1, "count": 1}]})
    visitor.run(lambda session: session["cart"]["items"][0].update(count=2))
    assert visitor.data()["cart"] == {"items": [{"id": 1, "count": 2}]}


def test_it_knows_its_age(visits: Visits) -> None:
    def ages(session: Any) -> tuple[Any, ...]:
        return session.is_new, session.created, session.last_accessed

    visitor = visits.visitor()
    new, _, last = visitor.run(lambda session: (ages(session), session.update(a=1))[0])
    assert (new, last) == (True, None)
    new, created, last = visitor.run(ages)
    assert not new
    assert created - 2 <= last <= created + 2
    assert visitor.run(ages) == (False, created, last)


def test_it_knows_whether_it_has_been_changed(visitor: Visitor) -> None:
    def watch(session: Any) -> None:
        assert (session.accessed(), session.known(), session.dirty()) == (False, True, False)
        session.get("a")
        assert (session.accessed(), session.dirty()) == (True, False)
        session["a"] = "2"
        assert session.dirty()
        session["a"] = "1"
        assert not session.dirty()

    visitor.run(watch)
    assert not visitor.visits.visitor().run(lambda session: session.known())


def test_clearing_it_ends_nothing(visitor: Visitor) -> None:
    def facts(session: Any) -> tuple[Any, ...]:
        return session.id, session.created

    before = visitor.run(facts)
    visitor.run(lambda session: session.clear())
    assert visitor.data() == {}
    assert visitor.run(facts) == before


# Whose id it is


def test_an_id_of_ours_that_the_store_does_not_hold_is_not_adopted(visitor: Visitor) -> None:
    stale, visits = visitor.cookie, visitor.visits
    visitor.run(lambda session: session.delete())
    other = visits.visitor(stale)
    other.set(b="2")
    assert other.cookie != stale
    assert other.data() == ({"b": "2"} if visits.store.revokes else {"a": "1", "b": "2"})
    assert visits.visitor(stale).data() == ({} if visits.store.revokes else {"a": "1"})


def dead(visits: Visits, old: str, data: dict[str, Any]) -> None:
    """A cookie from before opens no more; or, as its store declares, opens what it held."""
    assert visits.visitor(old).data() == ({} if visits.store.revokes else data)


def test_rotation_keeps_the_data_and_kills_the_old_id(visitor: Visitor) -> None:
    old, id = visitor.cookie, visitor.run(lambda session: session.id)
    visitor.run(lambda session: session.regenerate_id())
    assert visitor.cookie != old
    assert visitor.run(lambda session: session.id) != id
    assert visitor.data() == {"a": "1"}
    dead(visitor.visits, old, {"a": "1"})


@pytest.mark.parametrize("end", ["invalidate", "delete", "logout"])
def test_ending_it_deletes_it_and_takes_the_cookie_back(visitor: Visitor, end: str) -> None:
    old = visitor.cookie
    answer = visitor.send(lambda session: getattr(session, end)())
    assert "Max-Age=0" in (answer.header("Set-Cookie") or "")
    assert visitor.cookies == {}
    assert visitor.data() == {}
    dead(visitor.visits, old, {"a": "1"})


def test_ending_it_undoes_what_the_request_has_begun(visitor: Visitor) -> None:
    old = visitor.cookie

    def change_and_leave(session: Any) -> None:
        session["b"] = "2"
        session.login(42)
        session.logout()

    answer = visitor.send(change_and_leave)
    assert "Max-Age=0" in (answer.header("Set-Cookie") or "")
    assert visitor.cookies == {}
    dead(visitor.visits, old, {"a": "1"})


def test_what_is_put_in_after_the_end_begins_a_new_one(visitor: Visitor) -> None:
    old = visitor.cookie
    visitor.run(lambda session: (session.invalidate(), session.update(b="2"))[0])
    assert visitor.cookie != old
    assert visitor.data() == {"b": "2"}
    dead(visitor.visits, old, {"a": "1"})


def test_signing_in_moves_the_session_and_keeps_what_nobody_had_put_in(visitor: Visitor) -> None:
    visitor.set(cart=[1, 2])
    old = visitor.cookie
    visitor.run(lambda session: session.login(42))
    assert visitor.cookie != old
    assert visitor.data() == {"a": "1", "cart": [1, 2]}
    assert visitor.run(lambda session: session.user) == 42
    dead(visitor.visits, old, {"a": "1", "cart": [1, 2]})
    if not visitor.visits.store.revokes:
        assert visitor.visits.visitor(old).run(lambda session: session.user) is None, "who is signed in is not in it"


def test_signing_in_on_a_new_session_begins_it(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.run(lambda session: session.login("ann@example.org"))
    assert visitor.run(lambda session: session.user) == "ann@example.org"


def test_signing_in_as_somebody_else_drops_what_the_first_had(visitor: Visitor) -> None:
    visitor.run(lambda session: session.login("ann"))
    visitor.set(secret="ann's")
    visitor.run(lambda session: session.login("ann"))
    assert visitor.data() == {"a": "1", "secret": "ann's"}
    visitor.run(lambda session: session.login("eve"))
    assert visitor.data() == {}
    assert visitor.run(lambda session: session.user) == "eve"


def test_signing_out_forgets_who_it_was(visitor: Visitor) -> None:
    visitor.run(lambda session: session.login(42))
    visitor.set(secret="42's")
    visitor.run(lambda session: session.logout())
    assert visitor.run(lambda session: session.user) is None
    assert visitor.data() == {}


@pytest.mark.parametrize("user", [None, True, 1.5, "", b"ann", ["ann"], "x" * 191])
def test_who_signs_in_is_a_number_or_a_text(visitor: Visitor, user: Any) -> None:
    def sign_in(session: Any) -> None:
        with pytest.raises(SessionDataError, match=r"It takes the key of a user: a number, or a text of 1 to 190"):
            session.login(user)

    visitor.run(sign_in)
    assert visitor.run(lambda session: session.user) is None
    assert visitor.data() == {"a": "1"}


@pytest.mark.parametrize("user", [0, -1, 2**63, "0", "x" * 190, "Änne 🌍", "a\x00b", "\ud800"])
def test_any_number_or_text_can_sign_in(visits: Visits, user: Any) -> None:
    visitor = visits.visitor()
    visitor.run(lambda session: session.login(user))
    assert visitor.run(lambda session: session.user) == user


def test_two_sign_ins_in_one_request_are_the_last(visitor: Visitor) -> None:
    old = visitor.cookie
    visitor.run(lambda session: (session.login(1), session.login(2))[0])
    assert visitor.run(lambda session: session.user) == 2
    dead(visitor.visits, old, {"a": "1"})


def test_it_ends_when_its_time_is_over(store: Any) -> None:
    visits = Visits(store, timeout=1)
    visitor = visits.visitor()
    visitor.set(a="1")
    until(lambda: visitor.record() is None, "The store keeps a session whose time is over.")
    assert visitor.data() == {}
    stale = visitor.cookie
    visitor.set(b="2")
    assert visitor.cookie != stale
