"""What is in a session, and how long it stays, by the same tests on every store."""

from __future__ import annotations

import json
import pickle
import time
from typing import Any

import pytest

from demijohn.memcached import Memcached
from demijohn.sessions import session as session_module
from demijohn.sessions.stores import Store
from demijohn.sessions.stores.memcached import MemcachedStore
from tests.client import Client
from tests.services import Memcached as MemcachedServer
from tests.visits import Visits, data, overlap


def test_what_json_cannot_hold_is_named(visits: Visits, caplog: pytest.LogCaptureFixture) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    assert visitor.get("/object").status == 500
    assert "session['thing'] is a dict that JSON cannot hold" in caplog.text
    assert data(visitor) == {"a": "1"}


def test_what_is_too_large_is_told_with_its_size(visits: Visits, caplog: pytest.LogCaptureFixture) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    assert visitor.get("/large").status == 500
    assert f"the store {visits.store.name!r} takes 1000000" in caplog.text
    assert "1000" in caplog.text.split("would take ")[1]
    assert data(visitor) == {"a": "1"}


@pytest.mark.parametrize(
    "payload", [b"", b"not json", b"[]", b'"text"', b"{}", b'{"_accessed_time": "x"}', b"\xff\xfe"]
)
def test_a_foreign_payload_is_an_empty_session(
    visits: Visits, payload: bytes, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    if visits.store.name == "sql" and not payload.isascii():
        pytest.skip("a text column cannot hold what is not text")
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    id = visitor.cookies["session"].partition(".")[0]
    visits.store.delete(id)
    visits.store.add(id, payload, 60)
    assert data(visitor) == {}
    assert "cannot be read" in caplog.text
    visitor.get("/set/b/2")
    assert data(visitor) == {"b": "2"}


@pytest.mark.parametrize(("status", "kept"), [(400, True), (404, True), (500, False), (503, False)])
def test_a_failed_request_is_not_remembered(visits: Visits, status: int, kept: bool) -> None:
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    assert visitor.get(f"/fail/{status}").status == status
    assert ("failed" in data(visitor)) is kept


def test_flash_messages_are_shown_once(visits: Visits) -> None:
    visitor = visits.visitor()
    visitor.get("/flash")
    assert visitor.get("/flashes").json == {"texts": [["well done", "success"]]}
    assert visitor.get("/flashes").json == {"texts": []}


def test_without_auto_only_save_keeps(store: Store) -> None:
    visitor = Visits(store, auto=False).visitor()
    assert visitor.get("/set/a/1").header("Set-Cookie") is None
    visitor.get("/set-and-save/b/2")
    visitor.get("/set/c/3")
    assert data(visitor) == {"b": "2"}


class Clock:
    """Stands in for `time` in the session's module."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic()


def test_reading_moves_the_end_on_now_and_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(session_module, "time", clock)
    visits = Visits(store, timeout=1000, cookie_expires=1000)
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    id = visitor.cookies["session"].partition(".")[0]
    before = store.read(id)
    assert before is not None
    clock.ahead = 50
    assert visitor.get("/data").header("Set-Cookie") is None, "the time of use is written only now and then"
    assert store.read(id) == before
    clock.ahead = 150
    answer = visitor.get("/data")
    assert "Max-Age=1000" in (answer.header("Set-Cookie") or ""), "the cookie's own end moves on too"
    after = store.read(id)
    assert after is not None
    first, then = json.loads(before.payload), json.loads(after.payload)
    assert {**first, "_accessed_time": 0} == {**then, "_accessed_time": 0}, "a read changes no data"


def test_a_touch_never_undoes_a_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(session_module, "time", clock)
    visits = Visits(store, timeout=1000)
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    clock.ahead = 200
    overlap(visits, visitor, lambda session: None, lambda: visitor.get("/set/user/ann"))
    assert data(visitor) == {"a": "1", "user": "ann"}


def test_keys_can_be_changed_one_after_the_other(store: Store) -> None:
    visitor = Visits(store, secret="the old secret, long").visitor()
    visitor.get("/set/a/1")
    both = Client(Visits(store, secret=["the new secret, long", "the old secret, long"]).app)
    both.cookies = visitor.cookies
    assert data(both) == {"a": "1"}
    new = Client(Visits(store, secret="the new secret, long").app)
    new.cookies = visitor.cookies
    assert data(new) == {}


def test_nothing_is_ever_unpickled(memcached: MemcachedServer, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)

    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("A planted pickle was run.",))

    visits = Visits(MemcachedStore(Memcached([memcached.address], prefix="test", client="pylibmc")))
    visitor = visits.visitor()
    visitor.get("/set/a/1")
    id = visitor.cookies["session"].partition(".")[0]
    planted = pickle.dumps(Trap(), 0).decode("latin1")
    # 1 is the flag by which pylibmc knows a pickle
    assert memcached.ask(f"set test:s:{id} 1 0 {len(planted)}\r\n{planted}") == "STORED\r\n"
    assert data(visitor) == {}
    assert "cannot be read" in caplog.text
