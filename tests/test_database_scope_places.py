"""The places of an app beside its handlers: mounted apps, hooks, error pages and templates. A request keeps its work in
one piece or drops it in one piece wherever it was done, and its connection goes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import select

from demijohn.database import Database
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


def notes(shop: Shop) -> bottle.Bottle:
    """An app with handlers that write, for mounting."""
    inner = bottle.Bottle()
    inner.install(shop.db)

    @inner.post("/plain")
    def plain(db: Any) -> str:
        db.add(shop.Note(text="inner"))
        return "ok"

    @inner.post("/abort")
    def abort(db: Any) -> None:
        db.add(shop.Note(text="inner"))
        db.flush()
        bottle.abort(409, "no")

    @inner.post("/boom")
    def boom(db: Any) -> None:
        db.add(shop.Note(text="inner"))
        db.flush()
        raise ValueError("a slip")

    @inner.post("/redirect")
    def redirect(db: Any) -> None:
        db.add(shop.Note(text="inner"))
        bottle.redirect("/")

    @inner.post("/stream")
    def stream(db: Any) -> Iterator[str]:
        db.add(shop.Note(text="inner"))
        yield "one"
        db.add(shop.Note(text="at the end"))
        yield "two"

    @inner.post("/late")
    def late() -> Iterator[str]:
        yield "one"
        shop.db.session.add(shop.Note(text="inner"))

    return inner


def place(shop: Shop, how: str) -> bottle.Bottle:
    """An app in which `notes` are under /in/, in one of the ways that Bottle has."""
    inner, outer = notes(shop), shop.app
    if how == "mounted":
        outer.mount("/in/", inner)
    elif how == "as WSGI":
        outer.mount("/in/", inner.wsgi)
    elif how == "merged":
        between = bottle.Bottle()
        between.mount("/in/", inner)
        outer.merge(between)
    elif how == "nested":
        between = bottle.Bottle()
        between.mount("/b/", inner)
        outer.mount("/a/", between)
    elif how == "nested as WSGI":
        between = bottle.Bottle()
        between.install(shop.db)
        between.mount("/b/", inner.wsgi)
        outer.mount("/a/", between.wsgi)
    return outer


HOW = ["mounted", "as WSGI", "merged", "nested", "nested as WSGI"]
PATHS = [
    ("plain", 200, {"inner"}),
    ("abort", 409, set()),
    ("boom", 500, set()),
    ("redirect", 303, {"inner"}),
    ("stream", 200, {"inner", "at the end"}),
    ("late", 200, {"inner"}),
    ("nowhere", 404, set()),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("hooks", [False, True])
def test_a_mounted_app(shop: Shop, how: str, hooks: bool) -> None:
    place(shop, how)
    prefix = "/a/b" if how.startswith("nested") else "/in"
    seen = []
    if hooks:  # the outer app has opened a session before the inner one does, and asks for one after it

        @shop.app.hook("before_request")
        def before() -> None:
            shop.db.session.add(shop.Note(text="before"))

        @shop.app.hook("after_request")
        def after() -> None:
            seen.append(shop.db.session.scalars(select(shop.Note.text)).all())

    for path, status, kept in PATHS:
        answer = shop.client.ask("POST", f"{prefix}/{path}", SERVER_PROTOCOL="HTTP/1.1")
        assert answer.status == status, path
        assert shop.texts() == kept | ({"before"} if hooks and status < 400 else set()), path
        assert shop.checked_out == 0, path
        with shop.db.unit() as db:
            for note in db.scalars(select(shop.Note)):
                db.delete(note)
    assert len(seen) == (len(PATHS) if hooks else 0)


@pytest.mark.parametrize("how", ["as WSGI", "nested as WSGI"])
def test_a_hook_that_is_first_to_ask_when_the_inner_app_has_ended(shop: Shop, how: str) -> None:
    place(shop, how)
    prefix = "/a/b" if how.startswith("nested") else "/in"

    @shop.app.hook("after_request")
    def after() -> None:
        shop.db.session.add(shop.Note(text="after"))
        shop.db.session.flush()

    assert shop.client.ask("POST", f"{prefix}/plain").status == 200
    assert shop.texts() == {"inner", "after"}
    assert shop.checked_out == 0


def test_error_pages_that_use_the_session(shop: Shop) -> None:
    """They may read, and what they write is dropped with the rest; what must stay they write in a unit."""

    def page(error: Any) -> str:
        session = shop.db.session
        count = len(session.scalars(select(shop.Note)).all())
        session.add(shop.Note(text="dropped"))
        session.flush()
        with shop.db.unit() as db:
            db.add(shop.Note(text=f"error {error.status_code}"))
        return str(count)

    shop.app.error(500)(page)
    shop.app.error(404)(page)

    @shop.app.get("/")
    def handler(db: Any) -> None:
        db.scalars(select(shop.Note)).all()
        raise ValueError("a slip")

    if shop.db.engine.dialect.name == "sqlite":  # one writer in the whole file: a unit would wait for this request
        shop.app.error(404)(lambda _: str(len(shop.db.session.scalars(select(shop.Note)).all())))
        assert (shop.client.get("/nowhere").text, shop.checked_out) == ("0", 0)
        return
    for path, status in (("/", 500), ("/nowhere", 404)):
        assert shop.client.get(path).status == status
        assert shop.checked_out == 0
    assert shop.texts() == {"error 500", "error 404"}


def test_an_error_page_after_a_broken_rule(shop: Shop) -> None:
    """With the session of a failed flush nothing can be read: an error page that tries is answered for."""

    @shop.app.error(500)
    def page(_error: Any) -> str:
        return f"notes: {len(shop.db.session.scalars(select(shop.Note)).all())}"

    @shop.app.post("/")
    def handler(db: Any) -> None:
        db.add(shop.Note(text="one"))
        db.flush()
        db.add(shop.Note(text="one"))
        db.flush()

    answer = shop.client.post("/")
    assert answer.status == 500
    assert "Traceback" not in answer.text
    assert shop.texts() == set()
    assert shop.checked_out == 0


@pytest.mark.parametrize("which", ["before_request", "after_request"])
@pytest.mark.parametrize("fails", [False, True])
def test_hooks(shop: Shop, which: str, fails: bool) -> None:
    @shop.app.hook(which)
    def hook() -> None:
        shop.db.session.add(shop.Note(text="of the hook"))
        shop.db.session.flush()
        if fails:
            raise ValueError("a slip")

    @shop.app.post("/")
    def handler(db: Any) -> str:
        db.add(shop.Note(text="of the handler"))
        return "ok"

    @shop.app.post("/abort")
    def abort(db: Any) -> None:
        db.add(shop.Note(text="of the handler"))
        bottle.abort(409, "no")

    assert shop.client.post("/abort").status == (500 if fails else 409)
    assert shop.texts() == set()
    assert shop.client.post("/").status == (500 if fails else 200)
    assert shop.texts() == (set() if fails else {"of the hook", "of the handler"})
    assert shop.checked_out == 0


def _templates(shop: Shop) -> None:
    @shop.app.post("/decorated")
    @bottle.jinja2_view("{{ 1 / nothing }}")
    def decorated(db: Any) -> dict[str, Any]:
        db.add(shop.Note(text="new"))
        db.flush()
        return {"nothing": 0}

    @shop.app.post("/option", template="{{ 1 / 0 }}")
    def option(db: Any) -> dict[str, Any]:
        db.add(shop.Note(text="new"))
        db.flush()
        return {"some": "thing"}

    @shop.app.post("/called")
    def called(db: Any) -> str:
        db.add(shop.Note(text="new"))
        db.flush()
        return str(bottle.jinja2_template("{{ nothing.of.the.kind }}"))

    @shop.app.post("/well", template="{{ note.text }} {{ len(others()) }}")
    def well(db: Any) -> dict[str, Any]:
        note = shop.Note(text="new")
        db.add(note)
        return {"note": note, "others": lambda: db.scalars(select(shop.Note)).all()}


def test_templates(shop: Shop) -> None:
    _templates(shop)
    for path in ("/decorated", "/option", "/called"):
        assert shop.client.post(path).status == 500
        assert shop.texts() == set()
        assert shop.checked_out == 0
    answer = shop.client.post("/well")
    assert (answer.status, answer.text) == (200, "new 1")
    assert shop.texts() == {"new"}
    assert shop.checked_out == 0


def test_two_databases_keep_and_drop_together(shop: Shop, sqlite_url: str) -> None:
    other = shop.app.install(Database(f"{sqlite_url}-other", keyword="archive"))
    with other.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (text VARCHAR(50))")

    @shop.app.post("/<status:int>")
    def handler(db: Any, archive: Any, status: int) -> Any:
        db.add(shop.Note(text=f"{status}"))
        archive.connection().exec_driver_sql(f"INSERT INTO kept VALUES ('{status}')")
        return bottle.HTTPResponse("", status)

    for status in (200, 409):
        assert shop.client.post(f"/{status}").status == status
    with other.unit() as archive:
        assert archive.connection().exec_driver_sql("SELECT text FROM kept").scalars().all() == ["200"]
    assert shop.texts() == {"200"}
    assert (shop.checked_out, other.engine.pool.checkedout()) == (0, 0)
    other.close()
