"""Sessions, by the same tests on every store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demijohn.sessions.stores import Store
from tests.services import until
from tests.visits import Visits, data, overlap


def test_kept_from_request_to_request(visits: Visits) -> None:
    visitor = visits.visitor()
    answer = visitor.get("/set/a/1")
    cookie = answer.header("Set-Cookie")
    assert cookie is not None
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert data(visitor) == {"a": "1"}
    visitor.get("/set/b/ü".encode().decode("latin1"))
    assert data(visitor) == {"a": "1", "b": "ü"}
    assert visitor.get("/environ").text == "1"
    assert data(visits.visitor()) == {}


def test_a_list_that_is_changed_in_place_is_a_change(visits: Visits) -> None:
    visitor = visits.visitor()
    for _ in range(3):
        visitor.get("/append")
    assert data(visitor) == {"list": ["x", "x", "x"]}


def test_untouched_it_costs_nothing(visits: Visits) -> None:
    visitor = visits.visitor()
    answer = visitor.get("/untouched")
    assert (answer.header("Set-Cookie"), answer.header("Vary")) == (None, None)
    answer = visitor.get("/data")
    assert answer.header("Set-Cookie") is None, "a session that was only read is not begun"
    assert answer.header("Vary") == "Cookie"
    visitor.get("/set/a/1")
    answer = visitor.get("/untouched")
    assert (answer.header("Set-Cookie"), answer.header("Vary")) == (None, None)
    assert visitor.get("/data").header("Set-Cookie") is None


@pytest.mark.parametrize(
    "cookie",
    [
        "session=attackerchosen",
        "session=" + "a" * 43,
        "session=" + "a" * 43 + "." + "b" * 24,
        "session=",
        "session",
        'session="; x=1',
        "session=\xff\xfe; =; ;;; a=\x01",
        "xsession=1; session=../../etc/passwd",
        "session=a b\tc; session=2",
        "$Version=1; session=" + "=" * 200,
    ],
)
def test_an_id_that_is_not_ours_is_never_adopted(visits: Visits, cookie: str) -> None:
    visitor = visits.visitor()
    assert visitor.get("/data", HTTP_COOKIE=cookie).json == {}
    visitor.get("/set/a/1", HTTP_COOKIE=cookie)
    value = visitor.cookies["session"]
    assert value not in cookie
    assert data(visitor) == {"a": "1"}
    assert visits.visitor().get("/data", HTTP_COOKIE=cookie).json == {}


def test_an_id_of_ours_that_the_store_does_not_hold_is_not_adopted(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    stale = visitor.cookies["session"]
    visitor.get("/delete")
    visitor.get("/set/b/2", HTTP_COOKIE=f"session={stale}")
    assert visitor.cookies["session"] != stale
    assert visits.visitor().get("/data", HTTP_COOKIE=f"session={stale}").json == {}


def test_rotation_keeps_the_data_and_kills_the_old_id(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    old = visitor.cookies["session"]
    visitor.get("/rotate")
    assert visitor.cookies["session"] != old
    assert data(visitor) == {"a": "1"}
    assert visits.visitor().get("/data", HTTP_COOKIE=f"session={old}").json == {}


@pytest.mark.parametrize("end", ["/invalidate", "/delete"])
def test_signing_out_deletes(visits: Visits, end: str) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    old = visitor.cookies["session"]
    answer = visitor.get(end)
    assert "Max-Age=0" in (answer.header("Set-Cookie") or "")
    assert "session" not in visitor.cookies
    assert data(visitor) == {}
    assert visits.visitor().get("/data", HTTP_COOKIE=f"session={old}").json == {}


def test_it_ends_when_its_time_is_over(store: Store) -> None:
    visits = Visits(store, timeout=1)
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    cookie = visitor.cookies["session"]
    id = cookie.partition(".")[0]
    until(lambda: store.read(id) is None, "The store keeps a session whose time is over.")
    assert visits.visitor().get("/data", HTTP_COOKIE=f"session={cookie}").json == {}


def test_two_writers_keep_both_their_keys(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")

    def write(session: Any) -> None:
        session["slow"] = "written"
        del session["a"]

    overlap(visits, visitor, write, lambda: visitor.get("/set/fast/written"))
    assert data(visitor) == {"slow": "written", "fast": "written"}


def test_a_slow_reader_does_not_undo_a_login(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    overlap(visits, visitor, lambda session: None, lambda: visitor.get("/set/user/ann"))
    assert data(visitor) == {"a": "1", "user": "ann"}


@pytest.mark.parametrize("end", ["/invalidate", "/rotate"])
def test_a_slow_writer_does_not_bring_an_ended_session_back(visits: Visits, end: str) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    old = visitor.cookies["session"]

    def write(session: Any) -> None:
        session["late"] = "1"

    overlap(visits, visitor, write, lambda: visitor.get(end))
    assert visits.visitor().get("/data", HTTP_COOKIE=f"session={old}").json == {}


def test_fifty_writers_of_one_session(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    cookie = f"session={visitor.cookies['session']}"

    def write(number: int) -> int:
        return visits.visitor().get(f"/set/key{number}/{number}", HTTP_COOKIE=cookie).status

    with ThreadPoolExecutor(50) as threads:
        assert set(threads.map(write, range(50))) == {200}
    assert data(visitor) == {"a": "1", **{f"key{number}": str(number) for number in range(50)}}


def test_fifty_visitors_at_once_see_only_their_own(visits: Visits) -> None:
    def visit(number: int) -> bool:
        visitor = visits.visitor()
        for round in range(4):
            visitor.get(f"/set/mine/{number}-{round}")
            if data(visitor) != {"mine": f"{number}-{round}"}:
                return False
        return True

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(visit, range(50)))
