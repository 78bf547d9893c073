"""`Site`: the parts together."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bottle
import pytest
from sqlalchemy import String, literal, select
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import ConfigError, Site, view
from tests.client import Client
from tests.services import PATIENCE, MariaDB, Memcached

SETTINGS = {
    "environment": "production",
    "secret": "only-the-tests-know-this-secret",
    "database.pool_timeout": PATIENCE,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("name: shop\nversion: 1\n")
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "page.html").write_text(
        "<link href='{{ static_url('a.css') }}'><h1>{{ title }}</h1>"
        "{% for text in messages() %}[{{ text }}]{% endfor %} {{ session.get('user') }}"
    )
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.css").write_text("a { color: green }")
    return tmp_path


_opened: list[Site] = []


@pytest.fixture(autouse=True)
def _close_sites() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def shop(root: Path, **settings: Any) -> Site:
    """A site with a page of each kind, its tables made."""
    site = Site(root, {**SETTINGS, **{name.replace("__", "."): value for name, value in settings.items()}})
    _opened.append(site)
    Model = site.db.Model

    class Item(Model):  # type: ignore[valid-type,misc]
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))

    @site.get("/plain")
    def plain() -> str:
        return "plain"

    @site.get("/page/<id:int>", name="page")
    def page(id: int, db: Any, session: Any) -> str:
        session.get("user")
        return site.render("page", title=db.get(Item, id).name)

    @site.post("/add/<name>")
    def add(name: str, db: Any, session: Any) -> None:
        db.add(Item(name=name))
        session["user"] = name
        session.flash(f"added {name}")

    @site.get("/names")
    def names(db: Any) -> dict[str, Any]:
        return {"names": db.scalars(select(Item.name).order_by(Item.id)).all()}

    @site.get("/boom")
    def boom() -> None:
        raise RuntimeError("the inner reason")

    @site.get("/viewed")
    @view("page", title="by view")
    def viewed() -> None: ...

    site.create_tables()
    return site


@pytest.fixture
def site(root: Path) -> Site:
    return shop(root)


def test_all_parts_in_one_request(site: Site) -> None:
    visitor = Client(site)
    assert visitor.post("/add/one").status == 200
    first, second = visitor.get("/page/1").text, visitor.get("/page/1").text
    assert "<h1>one</h1>[added one] one" in first
    assert "<h1>one</h1> one" in second
    assert "<h1>by view</h1>" in visitor.get("/viewed").text
    (address,) = re.findall("href='([^']+)'", first)
    answer = visitor.get(address)
    assert answer.text == "a { color: green }"
    assert "immutable" in (answer.header("Cache-Control") or "")


def test_the_session_is_locked_and_kept_in_the_middle_of_a_transaction(root: Path, database_url: str) -> None:
    """SQLite has one writer: on another connection the session would wait for the request that it belongs to."""
    site = shop(root, database__url=database_url)

    @site.post("/buy")
    def buy(db: Any, session: Any) -> str:
        names = db.scalars(select(literal("read before"))).all()
        with session.lock():
            session["bought"] = [*session.get("bought", []), *names]
        session["asked"] = True
        session.persist()
        return "ok"

    visitor = Client(site)
    visitor.post("/add/one")
    assert [visitor.post("/buy").status for _ in range(2)] == [200, 200]

    @site.get("/bought")
    def bought(session: Any) -> dict[str, Any]:
        return {"bought": session["bought"], "asked": session["asked"]}

    assert visitor.get("/bought").json == {"bought": ["read before", "read before"], "asked": True}


@pytest.mark.parametrize("caching", [False, True])
@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
def test_a_session_is_read_past_the_transaction_that_has_begun(
    root: Path, server: str, caching: bool, request: pytest.FixtureRequest
) -> None:
    """MySQL shows a transaction what there was when it began: another request's change would be undone."""
    memcached: Memcached = request.getfixturevalue("memcached")
    more = {"memcached__url": memcached.url} if caching else {}
    site = shop(root, database__url=request.getfixturevalue(f"{server}_url"), **more)
    visitor = Client(site)

    @site.post("/count")
    def count(session: Any) -> None:
        session["count"] = session.get("count", 0) + 1

    @site.get("/counted")
    def counted(session: Any) -> str:
        return str(session["count"])

    def meanwhile() -> None:
        other = Client(site)
        other.cookies = visitor.cookies
        assert other.post("/count").status == 200
        memcached.flush()  # or the change would be found there

    @site.post("/locked")
    def locked(db: Any, session: Any) -> None:
        db.execute(select(site.db.metadata.tables["items"])).all()  # the transaction begins
        if not caching:
            session.get("count")
        with ThreadPoolExecutor(1) as threads:
            threads.submit(meanwhile).result(20)
        with session.lock():
            session["count"] = session.get("count", 0) + 1

    visitor.post("/count")
    assert visitor.post("/locked").status == 200
    assert visitor.get("/counted").text == "3"


def test_development_shows_why_a_session_cannot_be_kept(root: Path) -> None:
    site = shop(root, environment="development")
    site.route("/set", callback=lambda session: session.update(thing=object()))
    answer = Client(site).get("/set")
    assert answer.status == 500
    assert "session[&#039;thing&#039;] is a object that JSON cannot hold" in answer.text


def test_a_site_without_a_database_has_no_tables(root: Path) -> None:
    site = Site(root, {**SETTINGS, "database.url": ""})
    _opened.append(site)
    assert site.session_type == "cookie"
    assert site.create_tables() == []

    @site.get("/count")
    def count(session: Any) -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    visitor = Client(site)
    assert [visitor.get("/count").text for _ in range(3)] == ["1", "2", "3"]


def test_parts_by_name_only(site: Site) -> None:
    answer = Client(site).get("/plain")
    names = [name for name, _ in answer.headers]
    assert names[:2] == ["Content-Length", "Content-Type"]
    assert names[-1] == "X-Request-ID"
    assert "Set-Cookie" not in names


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_errors_are_calm(site: Site, accept: str, caplog: pytest.LogCaptureFixture) -> None:
    visitor = Client(site)
    answer = visitor.get("/boom", HTTP_ACCEPT=accept)
    assert answer.status == 500
    assert "Something went wrong on our side" in answer.text
    assert "inner reason" not in answer.text
    assert "Traceback" not in answer.text
    assert "inner reason" in caplog.text, "the log has it all"
    assert answer.errors == "", "and says it once"
    assert "nothing at this address" in visitor.get("/nowhere", HTTP_ACCEPT=accept).text
    assert "does not take that kind of request" in visitor.post("/plain", HTTP_ACCEPT=accept).text
    if accept == "application/json":
        assert answer.json["status"] == 500


def test_in_development_the_page_shows_the_traceback(root: Path) -> None:
    answer = Client(shop(root, environment="development")).get("/boom")
    assert "RuntimeError: the inner reason" in answer.text


def test_the_site_s_own_error_page(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = root / "views" / "error.html"
    page.write_text("<title>{{ status }} {{ title }}</title>{{ message }}{{ session.get('user') }}")
    visitor = Client(shop(root))
    assert visitor.get("/nowhere").text.startswith("<title>404 Not Found</title>There is nothing")
    assert visitor.get("/\xff").text.startswith("<title>400 Bad Request</title>")
    page.write_text("{{ broken( }}")
    answer = Client(shop(root)).get("/nowhere")
    assert (answer.status, "nothing at this address" in answer.text) == (404, True)
    assert "error page failed" in caplog.text


def test_a_mounted_app_asks_for_the_parts_too(site: Site) -> None:
    inner = bottle.Bottle()
    inner.route("/who", callback=lambda db, session: f"{db.scalar(select(literal(1)))} {session.get('user')}")
    merged = bottle.Bottle()
    merged.route("/merged", callback=lambda db: str(db.scalar(select(literal(2)))))
    site.mount("/inner/", inner)
    site.merge(merged)
    visitor = Client(site)
    visitor.post("/add/ann")
    assert visitor.get("/inner/who").text == "1 ann"
    assert visitor.get("/merged").text == "2"


def test_settings_are_bottle_s_config_too(root: Path) -> None:
    (root / "config.yaml").write_text("demijohn:\n  session:\n    timeout: 600\n  app:\n    title: Shop\n")
    site = Site(root, SETTINGS)
    assert site.config["session.timeout"] == 600
    assert site.settings["app"] == {"title": "Shop"}
    assert "config.yaml:3" in site.settings.source("session.timeout")
    assert "only-the-tests-know" not in repr(dict(site.config))


def test_without_a_secret_production_does_not_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"secrets\.token_urlsafe"):
        Site(root, {"environment": "production"})
    assert Site(root, {"environment": "development"}).development


def test_without_a_root_it_is_bottle() -> None:
    site, plain = Site(), bottle.Bottle()
    assert [type(plugin) for plugin in site.plugins] == [type(plugin) for plugin in plain.plugins]
    assert dict(site.config) == dict(plain.config)
    assert "wsgi" not in vars(site)
    site.route("/", callback=lambda: "bare")
    assert Client(site).get("/").text == "bare"
    assert "<!DOCTYPE HTML PUBLIC" in Client(site).get("/nowhere").text


def test_what_is_not_used_is_not_imported(root: Path) -> None:
    program = f"""
import sys
from demijohn import Site
site = Site({os.fspath(root)!r}, {SETTINGS!r})
site.route("/", callback=lambda: "plain")
site.wsgi({{"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "localhost"}}, lambda *a: None)
unused = ("sqlalchemy", "jinja2", "beaker", "pymysql", "pylibmc", "pymemcache", "multipart", "argparse", "difflib",
          "importlib.metadata")
print([name for name in unused if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# On real servers


def on_servers(root: Path, mariadb_url: str, memcached: Memcached) -> Site:
    return shop(root, database__url=mariadb_url, memcached__url=memcached.url)


def test_round_trips(root: Path, mariadb: MariaDB, mariadb_url: str, memcached: Memcached) -> None:
    site = on_servers(root, mariadb_url, memcached)
    assert site.session_type == "cached-sql"
    visitor = Client(site)
    visitor.post("/add/one")
    visitor.get("/page/1")
    expected = {"/page/1": (1, 1), "/names": (1, 0), "/plain": (0, 0), "/static/a.css": (0, 0), "/nowhere": (0, 0)}
    for path, trips in expected.items():
        with mariadb.statements() as sql, memcached.commands() as commands:
            visitor.get(path)
        assert (len(sql), len(commands)) == trips, (path, sql, commands)


def test_fifty_threads_lose_nothing(root: Path, mariadb_url: str, memcached: Memcached) -> None:
    site = on_servers(root, mariadb_url, memcached)

    def visit(number: int) -> list[bool]:
        visitor = Client(site)
        seen = []
        for turn in range(6):
            name = f"{number}-{turn}"
            seen.append(visitor.post(f"/add/{name}").status == 200)
            page = visitor.get("/page/1")
            seen.append(page.status == 200 and f"[added {name}] {name}" in page.text)
            seen.append(name in visitor.get("/names").json["names"])
        return seen

    with ThreadPoolExecutor(50) as threads:
        answers = [answer for seen in threads.map(visit, range(50)) for answer in seen]
    assert answers == [True] * 900
    assert len(Client(site).get("/names").json["names"]) == 300
    assert site.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_sessions_in_the_database_do_not_starve_its_pool(root: Path, mariadb_url: str) -> None:
    site = shop(root, database__url=mariadb_url, database__pool_size=2, database__max_overflow=0)
    Client(site).post("/add/one")

    def visit(_number: int) -> set[int]:
        visitor = Client(site)
        visitor.post("/add/two")
        # The handler has its connection before the page looks at the session.
        return {visitor.get("/page/1").status for _ in range(10)}

    with ThreadPoolExecutor(20) as threads:
        assert set.union(*threads.map(visit, range(20))) == {200}
