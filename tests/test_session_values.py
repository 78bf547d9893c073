"""What can be in a session, and when it is kept, by the same tests on every store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import bottle
import pytest

from demijohn.errors import SessionDataError
from demijohn.sessions import Sessions
from tests.client import Client
from tests.visits import SECRET, Visitor, Visits, elsewhere, fails


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ä\x00\r\n\t'\"\\ \u2028 🌍 \ud800",
        2**64,
        -(2**200),
        0.1 + 0.2,
        -0.0,
        1e308,
        5e-324,
        True,
        None,
        [],
        {},
        [1, [2, [3, {"ä": [None, False, "x"]}]]],
        {"": {"": {"": ""}}},
        " " * 500,
    ],
    ids=repr,
)
def test_what_json_can_hold_comes_back_as_it_was(visits: Visits, value: Any) -> None:
    visitor = visits.visitor()
    visitor.set(value=value, other=1)
    (kept,) = visitor.run(lambda session: [session["value"]])
    assert (kept, type(kept)) == (value, type(value))
    assert math.copysign(1, kept) == math.copysign(1, value) if isinstance(value, float) else True


@pytest.mark.parametrize("key", ["", "ä 🌍", "a.b", "a b", "\x00", "session", "x" * 500, "items", "__class__"])
def test_any_text_is_a_key(visits: Visits, key: str) -> None:
    visitor = visits.visitor()
    visitor.run(lambda session: session.__setitem__(key, 1))
    assert visitor.run(lambda session: (session[key], key in session)) == (1, True)


def test_keys_and_tuples_become_what_json_makes_of_them(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.run(lambda session: session.update({"d": {2: "two", None: "none", True: "true"}, "t": (1, 2)}))
    assert visitor.data() == {"d": {"2": "two", "null": "none", "true": "true"}, "t": [1, 2]}


def circle() -> list[Any]:
    round: list[Any] = []
    round.append(round)
    return round


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"inside": object()}, "dict"),
        ({1, 2}, "set"),
        (b"bytes", "bytes"),
        ({(1, 2): 3}, "dict"),
        (math.nan, "float"),
        ([math.inf], "list"),
        (10**5000, "int"),
        (circle(), "list"),
        (deep(), "list"),
    ],
    ids=["object", "set", "bytes", "tuple key", "nan", "inf", "digits", "circle", "deep"],
)
def test_what_json_cannot_hold_is_named(
    visitor: Visitor, value: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = visitor.send(lambda session: session.update(thing=value, b=2))
    assert f"session['thing'] is a {kind} that JSON cannot hold" in fails(caplog, answer)
    assert visitor.data() == {"a": "1"}
    visitor.set(b=2)
    assert visitor.data() == {"a": "1", "b": 2}


def test_the_largest_that_fits_is_kept_and_a_byte_more_is_told(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    store = visitor.visits.store
    visitor.set(large="")
    record = visitor.record()
    assert record is not None
    room = store.limit - len(record.payload)
    visitor.set(large="x" * room)
    record = visitor.record()
    assert record is not None
    assert len(record.payload) == store.limit

    answer = visitor.send(lambda session: session.update(large="x" * (room + 1)))
    told = fails(caplog, answer)
    assert f"would take {store.limit + 1} bytes, and the store {store.name!r} takes {store.limit}." in told
    assert answer.header("Set-Cookie") is None
    assert len(visitor.data()["large"]) == room

    def persist(session: Any) -> None:
        session["large"] = "x" * (room + 7)
        with pytest.raises(SessionDataError) as caught:
            session.persist()
        assert (caught.value.size, caught.value.limit) == (store.limit + 7, store.limit)
        session.revert()

    visitor.run(persist)


@pytest.mark.parametrize(
    "payload",
    [b"", b"not json", b"[]", b'"text"', b"{}", b'{"_creation_time": "x"}', b'{"_creation_time": true}', b"[" * 90_000],
    ids=["empty", "no json", "list", "text", "dict", "no time", "true", "deep"],
)
def test_a_foreign_payload_is_an_empty_session_and_a_line_in_the_log(
    visits: Visits, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = visits.visitor()
    visitor.plant(payload[: visits.store.limit])
    planted = visitor.cookie
    assert visitor.data() == {}
    assert caplog.text.count("cannot be read") == 1
    visitor.set(b="2")
    assert visitor.data() == {"b": "2"}
    assert visitor.cookie != planted


# What becomes of a request


@pytest.mark.parametrize(("status", "kept"), [(200, True), (400, True), (404, True), (500, False), (503, False)])
def test_a_failed_request_is_not_remembered(visitor: Visitor, status: int, kept: bool) -> None:
    def answer(session: Any) -> Any:
        session["done"] = True
        return bottle.HTTPResponse("done", status)

    def fail(session: Any) -> Any:
        session["done"] = True
        raise bottle.HTTPError(status, "failed")

    for handler in (answer, fail):
        assert visitor.send(handler).status == status
        assert ("done" in visitor.data()) is kept
        visitor.run(lambda session: session.pop("done", None) and None)


def test_a_handler_that_breaks_keeps_nothing(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    def break_off(session: Any) -> None:
        session["done"] = True
        session.login(42)
        raise ZeroDivisionError

    cookie = visitor.cookie
    assert "ZeroDivisionError" in fails(caplog, visitor.send(break_off))
    assert visitor.cookie == cookie
    assert (visitor.data(), visitor.run(lambda session: session.user)) == ({"a": "1"}, None)


@pytest.mark.parametrize("began", [True, False])
def test_a_redirect_carries_it(visits: Visits, began: bool) -> None:
    visitor = visits.visitor()
    if began:
        visitor.set(a="1")

    def sign_in(session: Any) -> None:
        session.login(42)
        bottle.redirect("/data")

    assert visitor.send(sign_in, "POST").status in (302, 303)
    assert visitor.run(lambda session: session.user) == 42


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
def test_every_method_has_it(visits: Visits, method: str) -> None:
    visitor = visits.visitor()
    answer = visitor.send(lambda session: session.update(a=method), method)
    assert (answer.status, answer.body) == (200, b"")
    assert visitor.data() == {"a": method}


def test_a_streamed_answer_keeps_what_is_put_in_while_it_is_made(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    def stream(session: Any) -> Iterator[str]:
        session["before"] = 1
        yield "first"
        session["after"] = 2
        yield "last"

    assert visitor.send(stream).body == b"firstlast"
    if visitor.visits.store.name == "cookie":  # which is on its way already
        assert visitor.data() == {"a": "1", "before": 1}
        assert "its cookie cannot be sent any more" in caplog.text
    else:
        assert visitor.data() == {"a": "1", "before": 1, "after": 2}


def test_a_session_cannot_begin_when_the_answer_has(visits: Visits, caplog: pytest.LogCaptureFixture) -> None:
    def stream(session: Any) -> Iterator[str]:
        session.get("a")
        yield "first"
        session["after"] = 2
        yield "last"

    visitor = visits.visitor()
    assert visitor.send(stream).body == b"firstlast"
    assert visitor.cookies == {}
    assert "its cookie cannot be sent any more" in caplog.text


@pytest.mark.parametrize("late", ["logout", "regenerate_id", "login"])
def test_who_signs_in_or_out_when_the_answer_has_begun(
    visitor: Visitor, late: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Out needs no cookie. In does: without it the visitor stays who they were, rather than being lost."""

    def stream(session: Any) -> Iterator[str]:
        session.get("a")
        yield "first"
        session.login(42) if late == "login" else getattr(session, late)()
        yield "last"

    assert visitor.send(stream).body == b"firstlast"
    assert visitor.run(lambda session: session.user) is None
    out = late == "logout" and visitor.visits.store.revokes
    assert visitor.data() == ({} if out else {"a": "1"})
    assert ("its cookie cannot be sent any more" in caplog.text) is (late != "logout")


def test_a_mounted_app_has_the_same_one(visitor: Visitor) -> None:
    inner = bottle.Bottle()
    inner.install(Sessions({"secret": SECRET}, store=visitor.visits.store))
    inner.route("/set", callback=lambda session: session.update(inner=session["a"]))
    visitor.visits.app.mount("/inner/", inner)
    assert visitor.get("/inner/set").status == 200
    assert visitor.data() == {"a": "1", "inner": "1"}
    assert inner.plugins[-1].name == "sessions"
    inner_visitor = Client(inner)
    inner_visitor.cookies = visitor.cookies
    assert inner_visitor.get("/set").status == 200


def test_an_error_handler_has_it(visitor: Visitor) -> None:
    visitor.visits.app.error(404)(lambda error: str(bottle.request.environ["beaker.session"].get("a")))
    assert visitor.get("/nowhere").text == "1"


# When it is kept


def test_an_empty_session_that_is_saved_is_begun(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.run(lambda session: session.save())
    id = visitor.run(lambda session: session.id)
    assert visitor.run(lambda session: (session.id, session.is_new)) == (id, False)


def test_without_auto_only_save_keeps(store: Any) -> None:
    visitor = Visits(store, auto=False).visitor()
    assert visitor.send(lambda session: session.update(a=1)).header("Set-Cookie") is None
    visitor.run(lambda session: (session.save(), session.update(b=2))[0])
    visitor.set(c=3)
    visitor.run(lambda session: session.clear())
    assert visitor.data() == {"b": 2}
    visitor.run(lambda session: session.login(42))
    assert visitor.run(lambda session: session.user) == 42, "who signs in has said so"


def test_persist_keeps_at_once(visitor: Visitor) -> None:
    visits = visitor.visits

    def persist(session: Any) -> dict[str, Any]:
        session["b"] = 2
        session.persist()
        return elsewhere(visits.visitor(visitor.cookie).data)

    seen = visitor.run(persist)
    assert seen == ({"a": "1"} if visits.store.name == "cookie" else {"a": "1", "b": 2})
    assert visitor.data() == {"a": "1", "b": 2}


def test_what_was_persisted_is_told_though_the_request_fails(visits: Visits) -> None:
    def persist(session: Any) -> Any:
        session["b"] = 2
        session.persist()
        session["c"] = 3
        return bottle.HTTPError(500)

    visitor = visits.visitor()
    assert visitor.send(persist).status == 500
    assert visitor.data() == {"b": 2}


def test_revert_goes_back_to_what_was_kept(visitor: Visitor) -> None:
    def change(session: Any) -> None:
        session["a"] = "2"
        session["b"] = [1]
        session.revert()
        assert session["a"] == "1"
        session["c"] = 3

    visitor.run(change)
    assert visitor.data() == {"a": "1", "c": 3}


def test_load_reads_again(visitor: Visitor) -> None:
    other = visitor.visits.visitor(visitor.cookie)

    def load(session: Any) -> Any:
        session["a"] = "mine"
        elsewhere(lambda: other.set(a="theirs"))
        session.load()
        return session["a"]

    # A cookie store can only read what came with this request.
    assert visitor.run(load) == ("1" if visitor.visits.store.name == "cookie" else "theirs")


def test_flash_messages_are_shown_once(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.run(lambda session: session.flash("well done", "success"))
    visitor.run(lambda session: session.flash("and <again>"))
    shown = visitor.run(lambda session: [(text, text.category) for text in session.flashes()])
    assert shown == [("well done", "success"), ("and <again>", "info")]
    assert visitor.run(lambda session: session.flashes()) == []


def test_flash_messages_go_along_when_somebody_signs_in(visitor: Visitor) -> None:
    visitor.run(lambda session: (session.flash("welcome"), session.login(42))[0])
    assert visitor.run(lambda session: session.flashes()) == ["welcome"]


def test_the_payload_is_json(visitor: Visitor) -> None:
    record = visitor.record()
    assert record is not None
    kept = json.loads(record.payload)
    assert kept["a"] == "1"
    assert isinstance(kept["_creation_time"], float)
