"""Beaker's options and Beaker's ways in, on our stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import bottle
import pytest
from beaker.middleware import SessionMiddleware as BeakersMiddleware

from demijohn.errors import SessionOptionError
from demijohn.sessions import SessionMiddleware, Sessions
from demijohn.sessions.beaker import Session as BeakersSession
from demijohn.sessions.beaker import close_stores
from demijohn.sessions.stores import open_store
from demijohn.sessions.stores.memory import MemoryStore
from tests.client import Client
from tests.services import Memcached


def plain_app() -> bottle.Bottle:
    """An app that knows nothing of Demijohn and uses Beaker's session as Beaker's documentation says."""
    app = bottle.Bottle()

    @app.get("/set/<key>/<value>")
    def set(key: str, value: str) -> str:
        session = bottle.request.environ["beaker.session"]
        session[key] = value
        session.save()
        return str(session.id)

    @app.get("/get/<key>")
    def get(key: str) -> str:
        return str(bottle.request.environ["beaker.session"].get(key))

    @app.get("/untouched")
    def untouched() -> str:
        return "untouched"

    @app.get("/rotate")
    def rotate() -> None:
        bottle.request.environ["beaker.session"].regenerate_id()

    @app.get("/invalidate")
    def invalidate() -> None:
        bottle.request.environ["beaker.session"].invalidate()

    @app.get("/delete")
    def delete() -> None:
        bottle.request.environ["beaker.session"].delete()

    return app


def seed_options(memcached: Memcached) -> dict[str, Any]:
    """The options of the guide to Bottle on Sina App Engine; only the port is the test server's."""
    return {
        "session.type": "ext:memcached",
        "session.url": memcached.address,
        "session.cookie_expires": True,
        "session.timeout": 600,
        "session.auto": True,
    }


@pytest.fixture(autouse=True)
def _beaker_s_stores() -> Iterator[None]:
    yield
    close_stores()


@pytest.fixture
def wrapped(memcached: Memcached) -> Iterator[SessionMiddleware]:
    """The plain app in our middleware, with these options."""
    application = SessionMiddleware(plain_app(), seed_options(memcached))
    yield application
    application.sessions.close()


def test_the_well_known_block_works_as_it_stands(wrapped: SessionMiddleware, memcached: Memcached) -> None:
    visitor = Client(wrapped)
    with memcached.commands() as seen:
        visitor.get("/untouched")
    assert seen == []
    visitor.get("/set/user/ann")
    assert visitor.get("/get/user").text == "ann"
    left = memcached.ask(f"mg s:{visitor.cookies['session']} t")
    assert left in ("HD t600\r\n", "HD t599\r\n"), "a session of ten minutes ends after ten minutes"
    old = visitor.cookies["session"]
    visitor.get("/rotate")
    assert visitor.get("/get/user").text == "ann"
    assert Client(wrapped).get("/get/user", HTTP_COOKIE=f"session={old}").text == "None"
    key = f"s:{visitor.cookies['session']}"
    assert memcached.ask(f"mg {key}") == "HD\r\n"
    visitor.get("/delete")
    assert memcached.ask(f"mg {key}") == "EN\r\n", "what is deleted is deleted"


def test_the_well_known_block_in_a_plugin(memcached: Memcached) -> None:
    app = bottle.Bottle()
    app.install(Sessions(seed_options(memcached)))
    app.route("/", callback=lambda session: str(session.setdefault("visits", 1)))
    visitor = Client(app)
    assert [visitor.get("/").text, visitor.get("/").text] == ["1", "1"]
    assert len(visitor.cookies) == 1
    app.close()


@pytest.mark.parametrize("kind", ["ext:memcached", "sql"])
def test_our_session_class_in_beaker_s_own_middleware(kind: str, memcached: Memcached, sqlite_url: str) -> None:
    options = {
        "session.type": kind,
        "session.url": sqlite_url if kind == "sql" else memcached.address,
        "session.key": "sid",
        "session.timeout": 600,
        "session.session_class": BeakersSession,
    }
    app = BeakersMiddleware(plain_app(), options)
    visitor = Client(app)
    visitor.get("/set/user/ann", HTTP_COOKIE="sid=attackerchosen")
    first = visitor.cookies["sid"]
    assert first != "attackerchosen"
    assert visitor.get("/get/user").text == "ann"
    assert visitor.get("/get/user").header("Set-Cookie") is None
    visitor.get("/rotate")
    second = visitor.cookies["sid"]
    assert second != first
    assert visitor.get("/get/user").text == "ann"
    assert Client(app).get("/get/user", HTTP_COOKIE=f"sid={first}").text == "None"
    visitor.get("/invalidate")
    assert Client(app).get("/get/user", HTTP_COOKIE=f"sid={second}").text == "None"
    visitor.get("/set/user/eve")
    third = visitor.cookies["sid"]
    visitor.get("/delete")
    assert Client(app).get("/get/user", HTTP_COOKIE=f"sid={third}").text == "None"


def test_with_auto_beaker_s_own_middleware_keeps_what_changed_and_nothing_else(memcached: Memcached) -> None:
    options = {**seed_options(memcached), "session.session_class": BeakersSession}
    visitor = Client(BeakersMiddleware(plain_app(), options))
    with memcached.commands() as seen:
        assert visitor.get("/get/user").header("Set-Cookie") is None
    assert seen == []
    visitor.get("/set/user/ann")
    with memcached.commands() as seen:
        assert visitor.get("/get/user").text == "ann"
    assert len(seen) == 1, seen


@pytest.mark.parametrize("name", ["demijohn.memcached", "demijohn.sql"])
def test_the_stores_as_backends_of_beaker_itself(name: str, memcached: Memcached, sqlite_url: str) -> None:
    url = memcached.address if name == "demijohn.memcached" else sqlite_url
    options = {"session.type": name, "session.url": url, "session.timeout": 600, "session.data_serializer": "json"}
    visitor = Client(BeakersMiddleware(plain_app(), options))
    id = visitor.get("/set/user/ann").text
    assert visitor.get("/get/user").text == "ann"
    store = open_store(name.removeprefix("demijohn."), url)
    assert store.read(f"beaker-{id}") is not None
    store.close()
    visitor.get("/delete")
    assert visitor.get("/get/user").text == "None"


def test_the_middleware_answers_503_when_nothing_can_be_kept(wrapped: SessionMiddleware, memcached: Memcached) -> None:
    visitor = Client(wrapped)
    visitor.get("/set/user/ann")
    memcached.stop()
    answer = visitor.get("/set/user/eve")
    assert answer.status == 503
    assert "could not be kept" in answer.text
    assert answer.header("Retry-After") == "2"


@pytest.mark.parametrize(
    ("options", "cookie"),
    [
        ({"key": "sid"}, "sid={}; Path=/; HttpOnly; SameSite=Lax"),
        ({"cookie_path": "/shop"}, "session={}; Path=/shop; HttpOnly; SameSite=Lax"),
        ({"cookie_domain": "example.org"}, "session={}; Path=/; Domain=example.org; HttpOnly; SameSite=Lax"),
        ({"httponly": False, "samesite": "Strict"}, "session={}; Path=/; SameSite=Strict"),
        ({"secure": True, "samesite": "None"}, "session={}; Path=/; HttpOnly; SameSite=None; Secure"),
        ({"cookie_expires": False}, "session={}; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax"),
        (
            {"cookie_expires": datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc)},
            "session={}; Expires=Tue, 19 Jan 2038 03:14:07 GMT; Path=/; HttpOnly; SameSite=Lax",
        ),
    ],
)
def test_the_cookie_is_as_the_options_say(options: dict[str, Any], cookie: str) -> None:
    app = bottle.Bottle()
    app.install(Sessions(options, store=MemoryStore()))
    app.route("/", callback=lambda session: session.update(a=1))
    visitor = Client(app)
    header = visitor.get("/").header("Set-Cookie")
    (value,) = visitor.cookies.values()
    assert header == cookie.format(value)


@pytest.mark.parametrize("given", [3600, timedelta(hours=1)])
def test_a_cookie_with_an_end(given: int | timedelta) -> None:
    app = bottle.Bottle()
    app.install(Sessions({"cookie_expires": given}, store=MemoryStore()))
    app.route("/", callback=lambda session: session.update(a=1))
    header = Client(app).get("/").header("Set-Cookie") or ""
    assert "; Max-Age=3600; Expires=" in header


def test_over_https_the_cookie_is_secure_by_itself() -> None:
    app = bottle.Bottle()
    app.install(Sessions(store=MemoryStore()))
    app.route("/", callback=lambda session: session.update(a=1))
    assert "Secure" not in (Client(app).get("/").header("Set-Cookie") or "")
    assert "; Secure" in (Client(app).get("/", **{"wsgi.url_scheme": "https"}).header("Set-Cookie") or "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"session.tiemout": 5}, "session.tiemout is not an option. Known are type, url, key, timeout"),
        ({"timeout": "600"}, "session.timeout is '600'; it takes a number of seconds"),
        ({"timeout": True}, "session.timeout is True"),
        ({"timeout": 0}, "at least 1"),
        ({"data_serializer": "pickle"}, "nothing is ever unpickled"),
        ({"samesite": "lax"}, "it takes Lax, Strict or None"),
        ({"key": "a=b"}, "a character that a cookie cannot have there"),
        ({"cookie_path": "/; Domain=evil"}, "a character that a cookie cannot have there"),
    ],
)
def test_a_wrong_option_is_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SessionOptionError) as caught:
        Sessions(options)
    assert words in str(caught.value)


def test_all_wrong_options_are_told_at_once() -> None:
    with pytest.raises(SessionOptionError, match=r"session\.a .*session\.b "):
        Sessions({"session.a": 1, "session.b": 2})


def test_beaker_s_options_that_mean_nothing_here_are_accepted() -> None:
    Sessions({"session.data_dir": "data", "session.lock_dir": "locks", "session.invalidate_corrupt": True})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "nothing is ever written to disk"),
        ("ext:mongodb", "There is no session store 'ext:mongodb'. Known are sql, memcached, memory"),
        ("ext:memcached", "needs session.url: where its servers are"),
        ("sql", "needs session.url: where its database is"),
    ],
)
def test_an_unknown_store_is_told(name: str, words: str) -> None:
    sessions = Sessions({"type": name})
    with pytest.raises(SessionOptionError) as caught:
        _ = sessions.store
    assert words in str(caught.value)
