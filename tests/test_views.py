from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle
import jinja2
import pytest

from demijohn.errors import TemplateMissingError
from demijohn.views import Views
from tests.client import Client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("<p>{{ text }} {{ url('page') }} {{ request.path }}</p>")
    (tmp_path / "mail.txt").write_text("{{ text }}")
    (tmp_path / "child.html").write_text("{% extends 'missing.html' %}")
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Any:
    app = bottle.Bottle()
    app.install(Views(folder))

    @app.get("/page", name="page")
    @bottle.view("page")
    def page() -> dict[str, str]:
        return {"text": "<b>"}

    return app


def test_bottle_s_own_view_renders_it_escaped(app: Any) -> None:
    assert Client(app).get("/page").text == "<p>&lt;b&gt; /page /page</p>"


def test_so_do_the_route_option_and_template(app: Any) -> None:
    app.route("/option", callback=lambda: {"text": "<i>"}, template="page.html")
    app.route("/call", callback=lambda: bottle.template("page", text="<i>"))
    app.route("/call-with-a-dict", callback=lambda: bottle.template("page", {"text": "<i>"}))
    app.route("/jinja", callback=bottle.jinja2_view("page")(lambda: {"text": "<i>"}))
    for path in ("/option", "/call", "/call-with-a-dict", "/jinja"):
        assert Client(app).get(path).text == f"<p>&lt;i&gt; /page {path}</p>"


def test_a_template_in_the_source_stays_bottle_s(app: Any) -> None:
    app.route("/inline", callback=lambda: bottle.template("Hello {{name}}", name="<b>"))
    assert Client(app).get("/inline").text == "Hello &lt;b&gt;"


def test_text_templates_are_not_escaped(folder: Path) -> None:
    assert Views(folder).render("mail.txt", text="<b>") == "<b>"


def test_found_from_any_working_directory(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    views = Views(folder.name)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert views.render("mail.txt", text="found") == "found"


def test_a_missing_template_is_told_with_its_neighbours(folder: Path) -> None:
    with pytest.raises(TemplateMissingError, match=r"no template 'pgae\.html' in .* Is it page\.html\?") as caught:
        Views(folder).render("pgae.html")
    assert caught.value.known == ["child.html", "mail.txt", "page.html"]


def test_a_missing_parent_is_named_itself(folder: Path) -> None:
    with pytest.raises(jinja2.TemplateNotFound, match=r"missing\.html"):
        Views(folder).render("child.html")


@pytest.mark.parametrize("name", ["../page.html", "/etc/passwd", "a/../../page.html"])
def test_templates_outside_the_folder_are_not_there(folder: Path, name: str) -> None:
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(TemplateMissingError):
        Views(inner).render(name)


@pytest.mark.parametrize("development", [True, False])
def test_compiled_again_in_development_only(folder: Path, development: bool) -> None:
    views = Views(folder, development=development)
    assert views.render("mail.txt", text="1") == "1"
    (folder / "mail.txt").write_text("changed {{ text }}")
    assert views.render("mail.txt", text="2") == ("changed 2" if development else "2")


def test_two_apps_have_their_own_views(app: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("other")
    (folder / "page.html").write_text("other {{ text }}")
    other = bottle.Bottle()
    other.install(Views(folder))
    other.route("/page", callback=bottle.view("page")(lambda: {"text": "x"}))
    assert Client(other).get("/page").text == "other x"
    assert Client(app).get("/page").text.startswith("<p>")
    app.mount("/other/", other)
    assert Client(app).get("/other/page").text == "other x"
