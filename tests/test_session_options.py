"""Beaker's options and Beaker's ways in, on our stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import bottle
import pytest
from beaker.exceptions import MissingCacheParameter
from beaker.middleware import SessionMiddleware as BeakersMiddleware

from demijohn.config import OPTIONS
from demijohn.errors import SessionOptionError
from demijohn.sessions import NAMES, SPELLINGS, SessionMiddleware, Sessions, create_table
from demijohn.sessions.beaker import CookieNamespace, close_stores
from demijohn.sessions.beaker import Session as BeakersSession
from demijohn.sessions.stores import open_store
from tests.client import Client
from tests.services import Memcached
from tests.visits import SECRET

#: Each store as its options spell it.
SPELLED = ["memory", "cookie", "redis", "sql-mariadb", "sql-postgresql", "memcached", "cached-mariadb"]


@pytest.fixture(params=SPELLED)
def spelled(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Beaker's options for this store."""
    kind, *rest = request.param.split("-")
    options = {
        "session.type": "cached-sql" if kind == "cached" else kind,
        "session.secret": SECRET,
        "session.key": "session",
    }
    if rest:
        options["session.url"] = request.getfixturevalue(f"{rest[0]}_url")
        create_table(options["session.url"])
    elif kind == "redis":
        options["session.url"] = request.getfixturevalue("redis").url
    elif kind == "memcached":
        options["session.url"] = request.getfixturevalue("memcached").address
    if kind == "cached":
        options["session.memcached_url"] = request.getfixturevalue("memcached").address
    return options


@pytest.fixture(params=["ours", "Beaker's", "plugin"])
def site(request: pytest.FixtureRequest, spelled: dict[str, Any]) -> Iterator[Any]:
    """The plain app with sessions on each store, by each way in."""
    if request.param == "ours":
        site = SessionMiddleware(plain_app(), spelled)
        yield site
        site.sessions.close()
    elif request.param == "plugin":
        app = plain_app()
        app.install(Sessions(spelled))
        yield app
        app.close()
    else:
        # `cookie` is taken by a store of Beaker's own, which its middleware would choose.
        options = {**spelled, "session.type": f"demijohn.{spelled['session.type']}"}
        yield BeakersMiddleware(plain_app(), {**options, "session.session_class": BeakersSession})


def test_by_each_way_in_it_is_kept_moved_and_ended(site: Any, spelled: dict[str, Any]) -> None:
    visitor = Client(site)
    revokes = spelled["session.type"] != "cookie"
    assert visitor.get("/untouched").header("Set-Cookie") is None
    assert visitor.get("/get/user").header("Set-Cookie") is None
    visitor.get("/set/user/ann", HTTP_COOKIE="session=attackerchosen")
    first = visitor.cookies["session"]
    assert first != "attackerchosen"
    answer = visitor.get("/get/user")
    assert (answer.text, answer.header("Set-Cookie")) == ("ann", None)
    visitor.get("/rotate")
    second = visitor.cookies["session"]
    assert second != first
    assert visitor.get("/get/user").text == "ann"
    assert Client(site).get("/get/user", HTTP_COOKIE=f"session={first}").text == ("None" if revokes else "ann")
    visitor.get("/invalidate")
    assert visitor.cookies == {}
    assert Client(site).get("/get/user", HTTP_COOKIE=f"session={second}").text == ("None" if revokes else "ann")
    visitor.get("/set/user/eve")
    third = visitor.cookies["session"]
    visitor.get("/delete")
    assert visitor.cookies == {}
    assert Client(site).get("/get/user", HTTP_COOKIE=f"session={third}").text == ("None" if revokes else "eve")


def test_by_each_way_in_one_can_sign_in(site: Any) -> None:
    visitor = Client(site)
    visitor.get("/set/cart/full")
    planted = visitor.cookies["session"]
    visitor.get("/login/42")
    assert visitor.get("/user").text == "42"
    assert visitor.get("/get/cart").text == "full"
    assert [visitor.get("/flashes").text, visitor.get("/flashes").text] == ["welcome", ""]
    assert Client(site).get("/user", HTTP_COOKIE=f"session={planted}").text == "None"


def test_by_each_way_in_there_is_the_lock(site: Any, spelled: dict[str, Any]) -> None:
    visitor = Client(site)
    visitor.get("/set/a/1")
    if spelled["session.type"] == "cookie":
        assert visitor.get("/count").status == 500
    else:
        assert [visitor.get("/count").text for _ in range(3)] == ["1", "2", "3"]


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

    @app.get("/user")
    def user() -> str:
        return str(bottle.request.environ["beaker.session"].user)

    @app.get("/login/<user:int>")
    def login(user: int) -> None:
        session = bottle.request.environ["beaker.session"]
        session.login(user)
        session.flash("welcome")
        session.save()

    @app.get("/flashes")
    def flashes() -> str:
        session = bottle.request.environ["beaker.session"]
        shown = ", ".join(session.flashes())
        session.save()
        return shown

    @app.get("/count")
    def count() -> str:
        session = bottle.request.environ["beaker.session"]
        with session.lock():
            session["count"] = session.get("count", 0) + 1
        return str(session["count"])

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


def test_the_stores_as_backends_of_beaker_itself(spelled: dict[str, Any]) -> None:
    kind = spelled.pop("session.type")
    if kind == "cookie":
        with pytest.raises(MissingCacheParameter, match="session_class to demijohn"):
            CookieNamespace("0" * 32)
        return
    options = {**spelled, "session.type": f"demijohn.{kind}", "session.timeout": 600}
    del options["session.secret"]  # with which Beaker signs
    visitor = Client(BeakersMiddleware(plain_app(), {**options, "session.data_serializer": "json"}))
    id = visitor.get("/set/user/ann").text
    assert visitor.get("/get/user").text == "ann"
    if kind != "memory":
        store = open_store(kind, options["session.url"], memcached_url=options.get("session.memcached_url"))
        assert store.read(f"beaker-{id}") is not None
        store.close()
    visitor.get("/delete")
    assert visitor.get("/get/user").text == "None"
    strange = Client(BeakersMiddleware(plain_app(), {**options, "session.data_serializer": "json"}))
    assert strange.get("/get/user", HTTP_COOKIE="session=../../etc/passwd").status == 200


def test_the_middleware_answers_503_when_nothing_can_be_kept(wrapped: SessionMiddleware, memcached: Memcached) -> None:
    visitor = Client(wrapped)
    visitor.get("/set/user/ann")
    memcached.stop()
    answer = visitor.get("/set/user/eve")
    assert answer.status == 503
    assert "could not be kept" in answer.text
    assert answer.header("Retry-After") == "2"


@pytest.mark.parametrize("given", [3600, timedelta(hours=1)])
def test_a_cookie_with_an_end(given: int | timedelta) -> None:
    app = bottle.Bottle()
    app.install(Sessions({"cookie_expires": given, "type": "memory"}))
    app.route("/", callback=lambda session: session.update(a=1))
    header = Client(app).get("/").header("Set-Cookie") or ""
    assert "; Max-Age=3600; Expires=" in header


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"session.tiemout": 5}, "session.tiemout is not an option. Known are type, url, memcached_url, key"),
        ({"timeout": "10 min"}, "session.timeout is '10 min'; it takes a number of seconds"),
        ({"validate_key": "x"}, "session.validate_key is not an option here: session.secret signs and encrypts"),
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
        ("ext:mongodb", "There is no session store 'ext:mongodb'. Known are cached-sql, sql, memcached, redis, cookie"),
        ("cookie", "needs session.secret, to encrypt the cookie with"),
        ("redis", "needs session.url: where its server is, such as 'redis://"),
        ("ext:memcached", "needs session.url: where its servers are"),
        ("sql", "needs session.url: where its database is"),
    ],
)
def test_an_unknown_store_is_told(name: str, words: str) -> None:
    with pytest.raises(SessionOptionError) as caught:
        Sessions({"type": name})
    assert words in str(caught.value)


def test_texts_of_an_ini_file_are_understood() -> None:
    given = {
        "session.timeout": "600",
        "session.auto": "false",
        "session.secure": "True",
        "session.cookie_expires": "60",
    }
    options = Sessions(given).options
    assert (options.timeout, options.auto, options.cookie.secure, options.cookie.slides) == (600, False, True, True)


def test_no_request_makes_the_table(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = plain_app()
    sessions: Sessions = app.install(Sessions({"type": "sql", "url": sqlite_url}))
    visitor = Client(app)
    assert visitor.get("/set/user/ann").status == 503
    visitor.get("/get/user", HTTP_COOKIE="session=" + "a" * 43)
    assert "demijohn.sessions.create_table(url)" in caplog.text
    sessions.create_table()
    assert visitor.get("/set/user/ann").status == 200
    sessions.close()


def test_the_settings_know_the_stores() -> None:
    kind = OPTIONS["session.type"].kind
    assert set(kind.choices) - {"auto"} == set(NAMES)
    assert {spelling: kind.read(spelling) for spelling in SPELLINGS} == SPELLINGS
