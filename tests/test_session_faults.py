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
from demijohn.sessions import Sessions
from demijohn.sessions.stores.sql import SqlStore
from tests.client import Client
from tests.services import until
from tests.visits import CLIENTS, Visits, made

#: The stores that go down with their server, and the server's fixture.
FALLIBLE = {**{f"memcached-{client}": "memcached" for client in CLIENTS}, "redis": "redis", "sql-mariadb": "mariadb"}
# How long a silent database is waited for is the database's own matter, and tested there.
BRISK = [name for name in FALLIBLE if not name.startswith("sql")]
#: The stores that a server keeps, and the server's fixture.
SERVED = {
    **FALLIBLE,
    "sql-postgresql": "postgresql",
    "cached-mariadb-pylibmc": "memcached",
    "cached-postgresql-pymemcache": "postgresql",
}


class Site(Visits):
    """Sessions on a server that can be stopped."""

    def __init__(self, server: Any, store: Any, **options: Any) -> None:
        super().__init__(store, **options)
        self.server = server
        self.app.route("/get", callback=lambda session: str(session.get("user")))
        self.app.route("/sign-out", callback=lambda session: session.logout())
        self.app.route("/sign-in", callback=lambda session: session.login(42))
        self.app.route("/rotate", callback=lambda session: session.regenerate_id())


@pytest.fixture(params=FALLIBLE)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with made(request.param, request) as store:
        yield Site(request.getfixturevalue(FALLIBLE[request.param]), store)


@pytest.fixture
def ann(site: Site) -> Client:
    visitor = Client(site.app)
    assert visitor.get("/set/user/ann").status == 200
    return visitor


def back(visitor: Client, user: str = "bob") -> None:
    """The site keeps sessions again, soon."""

    def kept() -> bool:
        return visitor.get(f"/set/user/{user}").status == 200 and visitor.get("/get").text == user

    until(kept, "The session is not kept again.")


def test_the_visitor_is_anonymous_for_the_request_and_keeps_the_cookie(site: Site, ann: Client) -> None:
    cookies = dict(ann.cookies)
    site.server.stop()
    for _ in range(3):
        answer = ann.get("/get")
        assert (answer.status, answer.text, answer.header("Set-Cookie")) == (200, "None", None)
        assert answer.header("Vary") == "Cookie"
    assert ann.cookies == cookies


@pytest.mark.parametrize("path", ["/set/user/eve", "/rotate", "/sign-out", "/sign-in"])
def test_what_cannot_be_kept_is_a_503_with_a_sentence(site: Site, ann: Client, path: str) -> None:
    cookies = dict(ann.cookies)
    site.server.stop()
    for visitor in (ann, Client(site.app)):
        answer = visitor.get(path)
        if visitor is not ann and path == "/sign-out":
            continue  # there was nothing to sign out of
        assert answer.status == 503
        assert "could not be kept" in answer.text
        assert (answer.header("Retry-After"), answer.header("Set-Cookie")) == ("2", None)
    assert ann.cookies == cookies


def test_a_page_that_uses_no_session_does_not_notice(site: Site, ann: Client) -> None:
    site.server.stop()
    assert ann.get("/untouched").status == 200
    assert Client(site.app).get("/data").status == 200, "a new visitor's is not looked for"


def test_where_unkept_is_drop_the_page_comes_all_the_same(site: Site) -> None:
    dropping = Site(site.server, site.store, unkept="drop")
    visitor = Client(dropping.app)
    visitor.get("/set/user/ann")
    cookies = dict(visitor.cookies)
    site.server.stop()
    for path, status in (("/set/user/eve", 200), ("/sign-out", 503), ("/sign-in", 503), ("/rotate", 503)):
        answer = visitor.get(path)
        assert (answer.status, answer.header("Set-Cookie")) == (status, None), path
    assert visitor.cookies == cookies
    site.server.start()
    back(visitor)


def test_it_is_back_as_soon_as_the_server_is(site: Site, ann: Client) -> None:
    site.server.stop()
    assert ann.get("/set/user/eve").status == 503
    site.server.start()
    back(ann)


def test_a_server_that_restarted_between_two_requests_is_no_fault(site: Site, ann: Client) -> None:
    site.server.restart()
    assert ann.get("/set/user/eve").status == 200
    assert ann.get("/get").text == "eve"


@pytest.mark.parametrize("site", BRISK, indirect=True)
def test_a_server_that_is_silent_is_given_up(site: Site, ann: Client) -> None:
    cookies = dict(ann.cookies)
    with site.server.frozen():
        answer = ann.get("/get")
        assert (answer.text, answer.header("Set-Cookie")) == ("None", None)
        assert ann.get("/set/user/eve").status == 503
        assert ann.get("/sign-out").status == 503
        assert ann.cookies == cookies
    until(lambda: ann.get("/get").text != "None", "The session is not read again.")
    back(ann)


@pytest.mark.parametrize("name", SERVED)
def test_what_a_restart_leaves_is_as_the_store_says(name: str, request: pytest.FixtureRequest) -> None:
    with made(name, request) as store:
        site = Site(request.getfixturevalue(SERVED[name]), store)
        visitor = site.visitor()
        visitor.run(lambda session: session.login(42))
        site.server.restart()
        until(lambda: visitor.get("/set/a/1").status == 200, "The session is not kept again.")
        assert visitor.run(lambda session: session.user) == (42 if store.durable else None)


def test_it_is_said_once_a_minute_and_not_once_a_request(
    site: Site, ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    site.server.stop()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            ann.get("/get")
            ann.get("/set/user/eve")
    told = [record.getMessage() for record in caplog.records if "is not answering" in record.getMessage()]
    assert len(told) == 1, told
    assert "said once a minute" in told[0]


# The database of the same request


class Notes(Site):
    """A site that writes into its database in the same request."""

    def __init__(self, server: Any, store: Any, db: Database) -> None:
        super().__init__(server, store)
        self.db = db
        self.app.install(db)
        Model: Any = db.Model

        class Note(Model):
            __tablename__ = "notes"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(50))

        self.Note = Note
        self.app.route("/write-both", callback=self.write_both)
        self.app.route("/write-and-sign-out", callback=self.write_and_sign_out)
        db.create_all()

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


@pytest.mark.parametrize("path", ["/write-both", "/write-and-sign-out"])
def test_the_database_is_not_written_when_the_session_cannot_be(site: Site, sqlite_url: str, path: str) -> None:
    db = Database(sqlite_url)
    notes = Notes(site.server, site.store, db)
    visitor = Client(notes.app)
    assert visitor.get(path).status == 200
    assert notes.notes() == ["written"]
    visitor.get("/set/user/ann")
    site.server.stop()
    assert visitor.get(path).status == 503
    assert notes.notes() == ["written"]
    db.close()


def test_a_missing_table_is_named(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    db = Database(sqlite_url)
    app = bottle.Bottle()
    app.install(Sessions(store=SqlStore(db.alone, db.metadata)))
    app.route("/", callback=lambda session: session.update(a=1))
    assert Client(app).get("/").status == 503
    assert Client(app).get("/", HTTP_COOKIE="session=" + "a" * 43).status == 503
    assert "demijohn db create" in caplog.text
    db.close()
