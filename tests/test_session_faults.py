"""A store that is down is never a new id, and never an empty session taken for real."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.sessions import Sessions, session
from demijohn.sessions.stores.memcached import MemcachedStore
from demijohn.sessions.stores.sql import SqlStore
from tests.client import Client
from tests.services import MariaDB, until
from tests.services import Memcached as MemcachedServer


class Site:
    """A plain Bottle app with a database and sessions on a store that can be stopped."""

    def __init__(self, server: Any, store: Any, db: Database) -> None:
        self.server, self.store, self.db = server, store, db
        self.app = bottle.Bottle()
        self.app.install(db)
        self.app.install(Sessions({"secret": "a secret of the tests"}, store=store))
        Model: Any = db.Model

        class Note(Model):
            __tablename__ = "notes"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(50))

        self.Note = Note
        self.app.route("/get", callback=lambda session: str(session.get("user")))
        self.app.route("/set/<value>", callback=self.set)
        self.app.route("/write-both", callback=self.write_both)
        self.app.route("/write-and-sign-out", callback=self.write_and_sign_out)
        self.app.route("/sign-out", callback=lambda session: session.invalidate())
        self.app.route("/rotate", callback=lambda session: session.regenerate_id())

    @staticmethod
    def set(session: Any, value: str) -> None:
        session["user"] = value

    def write_both(self, db: Any, session: Any) -> str:
        db.add(self.Note(text="written"))
        session["user"] = "written"
        return "ok"

    def write_and_sign_out(self, db: Any, session: Any) -> None:
        db.add(self.Note(text="written"))
        session.invalidate()

    def notes(self) -> list[str]:
        with self.db.unit() as db:
            return list(db.scalars(select(self.Note.text)))


@pytest.fixture(params=["pylibmc", "pymemcache"])
def on_memcached(request: pytest.FixtureRequest, memcached: MemcachedServer, sqlite_url: str) -> Iterator[Site]:
    if request.param == "pylibmc":
        pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
    pool = Memcached([memcached.address], client=request.param)
    site = Site(memcached, MemcachedStore(pool), Database(sqlite_url))
    site.db.create_all()
    yield site
    pool.close()
    site.db.close()


@pytest.fixture
def on_mariadb(mariadb: MariaDB, mariadb_url: str, sqlite_url: str) -> Iterator[Site]:
    sessions = Database(mariadb_url)
    site = Site(mariadb, SqlStore(sessions.alone, sessions.metadata), Database(sqlite_url))
    sessions.create_all()
    site.db.create_all()
    yield site
    sessions.close()
    site.db.close()


@pytest.fixture(params=["on_memcached", "on_mariadb"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "on_memcached":
        # One of the clients is enough where the store is not the question.
        server = request.getfixturevalue("memcached")
        pool = Memcached([server.address])
        site = Site(server, MemcachedStore(pool), Database(request.getfixturevalue("sqlite_url")))
        site.db.create_all()
        yield site
        pool.close()
        site.db.close()
    else:
        yield request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def _nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_told", {})


def test_the_visitor_is_anonymous_for_the_request_and_keeps_the_cookie(site: Site) -> None:
    visitor = Client(site.app)
    visitor.get("/set/ann")
    cookie = dict(visitor.cookies)
    site.server.stop()
    answer = visitor.get("/get")
    assert (answer.status, answer.text) == (200, "None")
    assert answer.header("Set-Cookie") is None
    assert visitor.cookies == cookie


@pytest.mark.parametrize("path", ["/set/eve", "/rotate", "/sign-out"])
def test_what_cannot_be_kept_is_a_503_with_a_sentence(site: Site, path: str) -> None:
    visitor = Client(site.app)
    visitor.get("/set/ann")
    cookie = dict(visitor.cookies)
    site.server.stop()
    answer = visitor.get(path)
    assert answer.status == 503
    assert "could not be kept" in answer.text
    assert answer.header("Retry-After") == "2"
    assert answer.header("Set-Cookie") is None
    assert visitor.cookies == cookie


@pytest.mark.parametrize("path", ["/write-both", "/write-and-sign-out"])
def test_the_database_is_not_written_when_the_session_cannot_be(site: Site, path: str) -> None:
    visitor = Client(site.app)
    visitor.get("/set/ann")
    site.server.stop()
    assert visitor.get(path).status == 503
    assert site.notes() == []


def test_it_is_back_as_soon_as_the_server_is(on_memcached: Site) -> None:
    visitor = Client(on_memcached.app)
    visitor.get("/set/ann")
    on_memcached.server.stop()
    assert visitor.get("/set/eve").status == 503
    on_memcached.server.start()
    until(lambda: visitor.get("/set/ann").status == 200, "The session is not kept again.", seconds=5)
    assert visitor.get("/get").text == "ann"


def test_a_server_that_restarted_between_two_requests_is_no_fault(on_memcached: Site) -> None:
    visitor = Client(on_memcached.app)
    visitor.get("/set/ann")
    on_memcached.server.restart()
    answer = visitor.get("/set/eve")
    assert answer.status == 200
    assert visitor.get("/get").text == "eve"


def test_a_server_that_is_silent_is_given_up(on_memcached: Site) -> None:
    visitor = Client(on_memcached.app)
    visitor.get("/set/ann")
    with on_memcached.server.frozen():
        assert visitor.get("/get").text == "None"
        assert visitor.get("/set/eve").status == 503
    until(lambda: visitor.get("/get").text == "ann", "The session is not read again.", seconds=5)


def test_a_sql_session_survives_the_server(on_mariadb: Site) -> None:
    visitor = Client(on_mariadb.app)
    visitor.get("/set/ann")
    on_mariadb.server.restart()
    until(lambda: visitor.get("/get").text == "ann", "The session is not read again.", seconds=5)


def test_it_is_said_once_a_minute_and_not_once_a_request(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    visitor = Client(site.app)
    visitor.get("/set/ann")
    site.server.stop()
    with caplog.at_level(logging.WARNING, "demijohn.sessions"):
        for _ in range(5):
            visitor.get("/get")
    assert len([r for r in caplog.records if r.name == "demijohn.sessions"]) == 1
    assert "is not answering" in caplog.text


def test_a_missing_table_is_named(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    db = Database(sqlite_url)
    app = bottle.Bottle()
    app.install(Sessions(store=SqlStore(db.alone, db.metadata)))
    app.route("/", callback=lambda session: session.update(a=1))
    assert Client(app).get("/").status == 503
    assert Client(app).get("/", HTTP_COOKIE="session=" + "a" * 43).status == 503
    assert "demijohn db create" in caplog.text
    db.close()
