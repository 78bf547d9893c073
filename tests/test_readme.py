"""What the README and the documentation show is what happens."""

from __future__ import annotations

import http.cookiejar
import re
import sys
import urllib.request
from pathlib import Path

import bottle
import pytest

from demijohn import Site
from demijohn.bodies import Bodies
from demijohn.database import Database
from demijohn.sessions import Sessions
from demijohn.static import Static
from demijohn.views import Views
from tests.client import Client
from tests.services import PATIENCE
from tests.sites import ROOT, running

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_ten_line_site_says_what_it_is_said_to_say(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    asked = re.findall(r"    \$ curl .* http://127\.0\.0\.1:8080(\S+)\n    (.*)\n", README)
    assert len(asked) == 2
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / "index.wsgi").write_text(code + "\n\napplication = site\n")
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with running([sys.executable, "-m", "demijohn", "run"], {}, tmp_path, [tmp_path]) as address:
        for path, answer in asked:
            with visitor.open(address + path, timeout=PATIENCE) as page:
                assert page.read().decode() == answer + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_are_python(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        compile(code, page.name, "exec")


def test_the_tree_in_the_readme_is_the_tree() -> None:
    drawn = re.search(r"```\nindex\.wsgi.*?```", README, re.S)
    assert drawn is not None
    for name in re.findall(r"^(\S+) ", drawn[0], re.M):
        assert (ROOT / name).exists(), name


def test_each_part_works_alone_in_a_plain_bottle_app(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "page.html").write_text("{{ text }}")
    (tmp_path / "a.css").write_text("a{}")

    def app_with(part: object) -> bottle.Bottle:
        app = bottle.Bottle()
        app.install(part)
        return app

    app = app_with(Database(f"sqlite:///{tmp_path / 'a.sqlite'}"))
    app.route("/", callback=lambda db: str(db.connection().exec_driver_sql("SELECT 7").scalar()))
    assert Client(app).get("/").text == "7"
    app.close()
    app = app_with(Sessions({"type": "memory"}))
    app.route("/", callback=lambda session: str(session.setdefault("a", 8)))
    assert Client(app).get("/").text == "8"
    app = app_with(Views(tmp_path / "views"))
    app.route("/", callback=bottle.view("page")(lambda: {"text": "<9>"}))
    assert Client(app).get("/").text == "&lt;9&gt;"
    assert Client(app_with(Static(tmp_path))).get("/static/a.css").text == "a{}"
    app = app_with(Bodies(limit=3))
    app.route("/", method="POST", callback=lambda: bottle.request.body.read())
    assert Client(app).ask("POST", "/", b"abcd").status == 413


def test_a_site_under_another_bottle_app(tmp_path: Path) -> None:
    site = Site(tmp_path, {"environment": "development", "session.type": "memory"})
    site.route("/visits", callback=lambda session: str(session.setdefault("visits", 1)))
    outer = bottle.Bottle()
    outer.mount("/shop/", site.wsgi)
    visitor = Client(outer)
    assert visitor.get("/shop/visits").text == "1"
    assert "session" in visitor.cookies
