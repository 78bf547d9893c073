"""How long a session stays, and its cookie, by the same tests on every store."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.visits import Clock, Visitor, Visits, overlap, watched


def ends(visitor: Visitor) -> float:
    record = visitor.record()
    assert record is not None
    return record.ends


def over(visitor: Visitor) -> bool:
    """Whether this visitor's session has ended. Redis ends it by a clock of its own, which no test can put forward:
    there, whether the site has told it so."""
    if visitor.visits.store.name == "redis":
        return ends(visitor) <= time.time()
    return visitor.data() == {}


@pytest.fixture
def hourly(store: Any) -> Visitor:
    """A visitor whose session of an hour has begun."""
    visitor = Visits(store, timeout=3600).visitor()
    visitor.set(a="1")
    return visitor


def test_reading_moves_the_end_on_now_and_then(hourly: Visitor, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hourly.record()
    assert before is not None
    calls = watched(hourly.visits.store, monkeypatch)
    clock.ahead = 350
    hourly.data()
    assert {*calls} <= {"read"}, "a tenth of the timeout has not gone by"
    assert ends(hourly) == before.ends
    clock.ahead = 370
    hourly.data()
    after = hourly.record()
    assert after is not None
    assert 365 <= after.ends - before.ends <= 400
    assert after.payload == before.payload
    calls.clear()
    hourly.data()
    assert {*calls} <= {"read"}, "it has just been moved on"


def test_who_comes_now_and_then_stays(hourly: Visitor, clock: Clock) -> None:
    for _ in range(4):
        clock.ahead += 3000
        assert hourly.data() == {"a": "1"}
    clock.ahead += 3700
    assert over(hourly)


def test_writing_moves_the_end_on(hourly: Visitor, clock: Clock) -> None:
    before = ends(hourly)
    clock.ahead = 100
    hourly.set(b="2")
    assert 95 <= ends(hourly) - before <= 130


def test_what_is_not_used_moves_nothing_on(hourly: Visitor, clock: Clock) -> None:
    clock.ahead = 3000
    hourly.get("/untouched")
    clock.ahead = 3700
    assert over(hourly)


def test_who_forgets_it_leaves_it_as_it_is(hourly: Visitor, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ends(hourly)
    calls = watched(hourly.visits.store, monkeypatch)

    def look(session: Any) -> str:
        session.forget()
        session["b"] = "2"
        return str(session["a"])

    clock.ahead = 1000
    answer = hourly.send(look)
    assert (answer.text, answer.header("Set-Cookie"), answer.header("Vary")) == ("1", None, "Cookie")
    assert {*calls} <= {"read"}
    assert ends(hourly) == before
    assert "b" not in hourly.data()


def test_the_last_use_is_known_to_a_tenth_of_the_timeout(hourly: Visitor, clock: Clock) -> None:
    created = hourly.run(lambda session: session.created)
    clock.ahead = 2000
    last = hourly.run(lambda session: session.last_accessed)
    assert created - 2 <= last <= created + 30
    last = hourly.run(lambda session: session["_accessed_time"])
    assert created + 1998 <= last <= created + 2030
    assert hourly.run(lambda session: session.created) == created


@pytest.mark.parametrize("backwards", [-1000, 10_000_000])
def test_a_clock_that_was_wrong_ends_nothing_for_ever(hourly: Visitor, clock: Clock, backwards: float) -> None:
    clock.ahead = backwards
    if backwards < 0:
        assert hourly.data() == {"a": "1"}
        assert ends(hourly) <= time.time() + 3630, "what ends too late is set right"
        hourly.set(b="2")
        assert hourly.data() == {"a": "1", "b": "2"}
    else:
        assert over(hourly)
        hourly.set(b="2")
        assert hourly.data()["b"] == "2"


@pytest.mark.parametrize("change", [False, True])
def test_a_cookie_with_an_end_moves_on_with_the_session(store: Any, clock: Clock, change: bool) -> None:
    visitor = Visits(store, timeout=3600, cookie_expires=3600).visitor()
    began = visitor.send(lambda session: session.update(a="1")).header("Set-Cookie") or ""
    assert "; Max-Age=3600; Expires=" in began
    clock.ahead = 100
    assert visitor.get("/data").header("Set-Cookie") is None
    clock.ahead = 400
    answer = visitor.send(lambda session: session.update(b="2") if change else session.get("a"))
    moved = answer.header("Set-Cookie") or ""
    assert "; Max-Age=3600; Expires=" in moved
    assert moved != began
    assert visitor.data()["a"] == "1"


def test_a_cookie_without_an_end_is_sent_once(hourly: Visitor, clock: Clock) -> None:
    clock.ahead = 400
    answer = hourly.get("/data")
    # In the cookie store the cookie is what holds the end.
    assert (answer.header("Set-Cookie") is None) is (hourly.visits.store.name != "cookie")
    clock.ahead = 900
    answer = hourly.send(lambda session: session.update(b="2"))
    assert (answer.header("Set-Cookie") is None) is (hourly.visits.store.name != "cookie")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"key": "sid"}, "sid={}; Path=/; HttpOnly; SameSite=Lax"),
        ({"cookie_path": "/shop"}, "session={}; Path=/shop; HttpOnly; SameSite=Lax"),
        ({"cookie_domain": "example.org"}, "session={}; Path=/; Domain=example.org; HttpOnly; SameSite=Lax"),
        ({"httponly": False, "samesite": "Strict"}, "session={}; Path=/; SameSite=Strict"),
        ({"secure": True, "samesite": "None"}, "session={}; Path=/; HttpOnly; SameSite=None; Secure"),
        ({"samesite": ""}, "session={}; Path=/; HttpOnly"),
        ({"cookie_expires": False}, "session={}; Max-Age=34560000; Expires=*; Path=/; HttpOnly; SameSite=Lax"),
        (
            {"cookie_expires": datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc)},
            "session={}; Expires=Tue, 19 Jan 2038 03:14:07 GMT; Path=/; HttpOnly; SameSite=Lax",
        ),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_the_cookie_is_as_the_options_say(store: Any, options: dict[str, Any], expected: str) -> None:
    visitor = Visits(store, **options).visitor()
    header = visitor.send(lambda session: session.update(a=1)).header("Set-Cookie")
    assert header == expected.replace(" Expires=*;", "").format(visitor.cookie)
    assert visitor.data() == {"a": 1}
    back = visitor.send(lambda session: session.delete()).header("Set-Cookie") or ""
    name, tail = expected.partition("=")[0], expected[expected.index("; Path") :] if "; Path" in expected else ""
    assert back == f"{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{tail}"


def test_over_https_the_cookie_is_secure_by_itself(visits: Visits) -> None:
    visitor = visits.visitor()
    assert "Secure" not in (visitor.send(lambda session: session.update(a=1)).header("Set-Cookie") or "")
    answer = visitor.send(lambda session: session.login(1), **{"wsgi.url_scheme": "https"})
    assert "; Secure" in (answer.header("Set-Cookie") or "")


def test_a_touch_never_undoes_a_write(hourly: Visitor, clock: Clock) -> None:
    clock.ahead = 600
    overlap(hourly, lambda session: None, lambda: hourly.set(user="ann"))
    kept = {"a": "1", "user": "ann"} if hourly.visits.store.merges else {"a": "1"}
    assert hourly.data() == kept


def test_a_touch_never_undoes_a_logout(hourly: Visitor, clock: Clock) -> None:
    old = hourly.cookie
    clock.ahead = 600
    overlap(hourly, lambda session: None, lambda: hourly.run(lambda session: session.logout()))
    if hourly.visits.store.revokes:
        assert hourly.visits.visitor(old).data() == {}
        assert hourly.data() == {}
    else:
        assert hourly.visits.visitor(old).data() == {"a": "1"}
