"""Sessions, by the same tests on every store."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bottle
import pytest

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.sessions import Sessions
from demijohn.sessions import session as session_module
from demijohn.sessions.stores import Store
from demijohn.sessions.stores.memcached import MemcachedStore
from demijohn.sessions.stores.memory import MemoryStore
from demijohn.sessions.stores.sql import SqlStore
from tests.client import Client
from tests.services import Memcached as MemcachedServer
from tests.services import until

SECRET = "a secret of the tests"
STORES = ["memory", "sqlite", "mariadb", "postgresql", "memcached-pylibmc", "memcached-pymemcache"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    kind, _, client = request.param.partition("-")
    if kind == "memory":
        yield MemoryStore()
    elif kind == "memcached":
        if client == "pylibmc":
            pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
        server: MemcachedServer = request.getfixturevalue("memcached")
        pool = Memcached([server.address], prefix="test", client=client)
        yield MemcachedStore(pool)
        pool.close()
    else:
        db = Database(request.getfixturevalue(f"{kind}_url"))
        store = SqlStore(db.alone, db.metadata)
        db.create_all()
        yield store
        db.close()


class Visits:
    """A plain Bottle app whose handlers use their session."""

    def __init__(self, store: Store, **options: Any) -> None:
        self.store = store
        self.app = bottle.Bottle()
        self.sessions: Sessions = self.app.install(Sessions({"secret": SECRET, **options}, store=store))
        route = self.app.route
        route("/untouched", callback=lambda session: "untouched")
        route("/data", callback=self.data)
        route("/set/<key>/<value>", callback=self.set)
        route("/set-and-save/<key>/<value>", callback=self.set_and_save)
        route("/append", callback=self.append)
        route("/rotate", callback=lambda session: session.regenerate_id())
        route("/invalidate", callback=lambda session: session.invalidate())
        route("/delete", callback=lambda session: session.delete())
        route("/fail/<status:int>", callback=self.fail)
        route("/object", callback=self.object)
        route("/large", callback=self.large)
        route("/flash", callback=lambda session: session.flash("well done", "success"))
        route("/flashes", callback=lambda session: {"texts": [(text, text.category) for text in session.flashes()]})
        route("/environ", callback=lambda: str(bottle.request.environ["beaker.session"].get("a")))

    def visitor(self) -> Client:
        return Client(self.app)

    @staticmethod
    def data(session: Any) -> dict[str, Any]:
        return {key: value for key, value in session.items() if not key.startswith("_")}

    @staticmethod
    def set(session: Any, key: str, value: str) -> None:
        session[key] = value

    @staticmethod
    def set_and_save(session: Any, key: str, value: str) -> None:
        session[key] = value
        session.save()

    @staticmethod
    def append(session: Any) -> None:
        session.setdefault("list", []).append("x")

    @staticmethod
    def fail(session: Any, status: int) -> Any:
        session["failed"] = status
        return bottle.HTTPError(status, "failed")

    @staticmethod
    def object(session: Any) -> None:
        session["thing"] = {"inside": object()}

    @staticmethod
    def large(session: Any) -> None:
        session["large"] = "x" * 1_000_001


@pytest.fixture
def visits(store: Store) -> Visits:
    return Visits(store)


def data(visitor: Client) -> dict[str, Any]:
    answer = visitor.get("/data")
    assert answer.status == 200
    return answer.json  # type: ignore[no-any-return]


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


def overlap(visits: Visits, visitor: Client, first: Callable[[Any], Any], second: Callable[[], Any]) -> None:
    """`first` handles a request that has read its session, `second` happens, then the first request ends."""

    @visits.app.get("/slow")
    def slow(session: Any) -> None:
        session.get("anything")
        second()
        first(session)

    assert visitor.get("/slow").status == 200


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
