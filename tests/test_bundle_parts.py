"""What the parts of a site make of what a bundle has prepared for them: templates, static files, settings."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import bottle
import jinja2
import pytest

from demijohn import config, hosts
from demijohn.config import document, prepared
from demijohn.deploy.bundle import make, settings, statics
from demijohn.deploy.bundle.templates import compile_all
from demijohn.static import SMALL, Static
from demijohn.views import Views
from tests.bundles import put, small_site
from tests.client import Client
from tests.sites import clean_environment

# Templates

PAGES = {
    "base.html": "<title>{% block title %}{% endblock %}</title>{% block body %}{% endblock %}\n",
    "page.html": "{% extends 'base.html' %}\n{% block title %}{{ text }}{% endblock %}\n"
    "{% block body %}{% for x in items %}{{ loop.index }}{{ f(x) }}{% endfor %}{% include 'deep/part.html' %}"
    "{% endblock %}",
    "deep/part.html": "{% macro m(x) %}<i>{{ x }}</i>{% endmacro %}{{ m(text) }}{{ request.path }}",
    "mail.txt": "{{ text }}",
    "broken.html": "\n\n{{ 1 // zero }}",
}


def compiled(folder: Path, pages: dict[str, str] = PAGES, **traits: Any) -> Path:
    """Put `pages` into `folder`, and into the folder that is returned what they compile to."""
    for name, text in pages.items():
        put(folder, name, text)
    views = Views(folder)
    for name, value in traits.items():
        setattr(views.environment, name, value)
    target = folder.parent / "compiled"
    order = put(folder.parent, "order.json", json.dumps({"names": sorted(pages), "target": str(target)}))
    compile_all(views, order)
    assert json.loads(order.read_text()) == {"compiled": len(pages), "problems": []}
    return target


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("Jinja2 was to compile something.")

    monkeypatch.setattr(jinja2.Environment, "_parse", refuse)


def test_compiled_templates_say_what_their_sources_say(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "views"
    target = compiled(folder)
    variables = {"text": "<b>", "items": ["<x>", "y"], "f": lambda x: f"({x})", "zero": 1}
    plain = {name: Views(folder).render(name, **variables) for name in PAGES}
    request.getfixturevalue("no_compiler")
    assert {name: Views(folder, compiled=target).render(name, **variables) for name in PAGES} == plain
    assert "&lt;b&gt;" in plain["page.html"]
    assert plain["mail.txt"] == "<b>"


def test_a_filter_of_the_site_s_is_the_one_at_run_time(tmp_path: Path) -> None:
    pages = {"page.html": "{{ text | upper }}"}
    views = Views(tmp_path / "views", compiled=compiled(tmp_path / "views", pages))
    views.environment.filters["upper"] = lambda text: f"UP {text}"
    assert views.render("page", text="x") == "UP x"


def test_an_error_names_the_template_and_its_line(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "views"
    target = compiled(folder)
    request.getfixturevalue("no_compiler")
    with pytest.raises(ZeroDivisionError) as caught:
        Views(folder, compiled=target).render("broken", zero=0)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (str(folder / "broken.html"), 3, "{{ 1 // zero }}")


def test_a_changed_template_is_compiled_again(tmp_path: Path) -> None:
    folder = tmp_path / "views"
    target = compiled(folder)
    put(folder, "mail.txt", "changed {{ text }}")
    put(folder, "fresh.txt", "fresh {{ text }}")
    (folder / "base.html").unlink()
    views = Views(folder, compiled=target)
    assert views.render("mail.txt", text="<b>") == "changed <b>"
    assert views.render("fresh.txt", text="<b>") == "fresh <b>"
    with pytest.raises(jinja2.TemplateNotFound, match=r"base\.html"):
        views.render("page", items=[])


@pytest.mark.parametrize(
    ("trait", "value", "text"),
    [
        ("trim_blocks", True, "{% if 1 %}\nx{% endif %}"),
        ("autoescape", False, "{{ text }}"),
        ("variable_start_string", "${{", "{{ text }}"),
    ],
)
def test_an_environment_that_the_site_has_changed_compiles_anew(
    tmp_path: Path, trait: str, value: object, text: str
) -> None:
    folder = tmp_path / "views"
    target = compiled(folder, {"page.html": text})
    plain, views = Views(folder), Views(folder, compiled=target)
    for each in (plain, views):
        setattr(each.environment, trait, value)
    assert views.render("page", text="<b>") == plain.render("page", text="<b>")
    assert views.render("page", text="<b>") != Views(folder).render("page", text="<b>")


def test_so_does_another_jinja2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "views"
    target = compiled(folder, {"mail.txt": "{{ text }}"})
    put(target, "mail.txt.py", "raise AssertionError('of another Jinja2')")
    monkeypatch.setattr(jinja2, "__version__", "99")
    assert Views(folder, compiled=target).render("mail.txt", text="x") == "x"


def test_in_development_they_are_not_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "views"
    target = compiled(folder, {"mail.txt": "{{ text }}"})
    put(target, "mail.txt.py", "raise AssertionError('not in development')")
    assert Views(folder, development=True, compiled=target).render("mail.txt", text="x") == "x"


def test_jinja2_without_its_compiler_gets_it_when_it_needs_it(tmp_path: Path) -> None:
    target = compiled(tmp_path / "views")
    program = f"""
import sys
from demijohn.views import Views
views = Views({str(tmp_path / "views")!r}, compiled={str(target)!r})
print(views.render("mail.txt", text="<b>"), "jinja2.compiler" in sys.modules)
print(views.environment.from_string("{{{{ 6 * x }}}}").render(x=7), "jinja2.compiler" in sys.modules)
views.environment.add_extension("jinja2.ext.do")
print(views.environment.from_string("{{% do l.append(1) %}}{{{{ l }}}}").render(l=[0]))
from jinja2 import environment
from jinja2.compiler import CodeGenerator, generate
from jinja2.lexer import Lexer, TokenStream, get_lexer
from jinja2.parser import Parser
print({{getattr(environment, one.__name__) is one for one in (CodeGenerator, generate, Lexer, TokenStream, Parser)}})
print(views.environment.code_generator_class is CodeGenerator, views.environment.lexer.__class__ is Lexer)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["<b> False", "42 True", "[0, 1]", "{True}", "True True"], done.stderr


def test_a_jinja2_that_imports_more_of_its_compiler_gets_all_of_it(tmp_path: Path) -> None:
    target = compiled(tmp_path / "views")
    program = f"""
import sys
from demijohn.views import Views, compiled
compiled._LATER["jinja2.compiler"] = ("CodeGenerator",)  # `generate`, say, is new
views = Views({str(tmp_path / "views")!r}, compiled={str(target)!r})
print(views.render("mail.txt", text="<b>"), "jinja2.compiler" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "<b> True\n", done.stderr


SITE = """
import os
from demijohn import Site
application = Site(os.path.dirname(os.path.abspath(__file__)))
application.views.environment.filters["shout"] = lambda text: text + "!"
"""


def test_templates_are_compiled_as_the_site_has_it(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", views__page_html="{{ text | shout }}", views__bad_html="\n{% iff %}")
    put(site, "index.wsgi", SITE)
    put(site, "views/logo.png", b"\x89PNG\xff")
    made = make(site, hosts.find("vm"), tmp_path / "out", environ=clean_environment())
    assert [note.partition(":")[0] for note in made.notes] == ["bad.html"]
    assert "bad.html:2 cannot be compiled: Encountered unknown tag 'iff'" in made.notes[0]
    views = Views(tmp_path / "out" / "views", compiled=tmp_path / "out" / "bundled" / "views")
    views.environment.filters["shout"] = lambda text: text + "?"
    assert views.render("page", text="hey") == "hey?"


def test_a_site_that_cannot_be_loaded_is_bundled_with_a_word(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", views__page_html="x", index_wsgi="raise RuntimeError('no DNS here')")
    made = make(site, hosts.find("vm"), tmp_path / "out", environ=clean_environment())
    assert made.notes == (
        "The site could not be loaded to compile its templates, so the host will: RuntimeError: no DNS here",
    )


# Static files

CSS = b"body { color: #123 }\n" * 100


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path, "static/css/style.css", CSS)
    put(tmp_path, "static/small.css", b"a {}")
    put(tmp_path, "static/noise.svg", os.urandom(5000))
    put(tmp_path, "static/photo.jpg", b"x" * 5000)
    put(tmp_path, "static/large.txt", b"0123456789abcdef" * (SMALL // 16 + 1))
    statics.write(tmp_path, "static")
    return tmp_path


def served(tree: Path, **options: Any) -> tuple[Static, Client]:
    app = bottle.Bottle()
    return app.install(Static(tree / "static", table=tree / "bundled" / "static.json", **options)), Client(app)


def test_what_shrinks_is_compressed_beside_itself(tree: Path) -> None:
    packed = {path.name for path in (tree / "static").rglob("*.gz")}
    assert packed == {"style.css.gz", "large.txt.gz"}
    assert gzip.decompress((tree / "static/css/style.css.gz").read_bytes()) == CSS


def test_addresses_are_known_without_a_look_at_the_files(tree: Path) -> None:
    plain = Static(tree / "static")
    known, _ = served(tree)
    (tree / "static" / "css" / "style.css").write_bytes(CSS[::-1])  # as large as before
    assert known.url("css/style.css") != Static(tree / "static").url("css/style.css")
    for name in ("small.css", "large.txt"):
        assert known.url(name) == plain.url(name)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("br, *", True),
        ("x-gzip", True),
        ("gzip;q=1.000", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
    ],
)
@pytest.mark.parametrize("name", ["css/style.css", "large.txt"])
def test_who_takes_gzip_gets_it(tree: Path, accepted: str, packed: bool, name: str) -> None:
    _, client = served(tree)
    answer = client.get(f"/static/{name}", HTTP_ACCEPT_ENCODING=accepted)
    original = (tree / "static" / name).read_bytes()
    assert answer.header("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(answer.body) if packed else answer.body) == original
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Vary") == "Accept-Encoding"
    assert answer.header("Content-Type") == ("text/css" if name[-3:] == "css" else "text/plain") + "; charset=utf-8"


def test_both_kinds_have_tags_of_their_own(tree: Path) -> None:
    static, client = served(tree)
    address = static.url("css/style.css")
    tags = {}
    for accepted in ("gzip", ""):
        answer = client.get(address, HTTP_ACCEPT_ENCODING=accepted)
        assert answer.header("Cache-Control") == "public, max-age=31536000, immutable"
        tags[accepted] = answer.header("ETag")
    assert tags["gzip"] != tags[""]
    for accepted in tags:
        for tag in tags:
            answer = client.get(address, HTTP_ACCEPT_ENCODING=accepted, HTTP_IF_NONE_MATCH=tags[tag])
            assert answer.status == (304 if tag == accepted else 200)
            assert answer.header("Vary") == "Accept-Encoding"
    assert client.ask("HEAD", address, HTTP_ACCEPT_ENCODING="gzip").header("Content-Encoding") == "gzip"


def test_a_part_is_a_part_of_the_file_itself(tree: Path) -> None:
    _, client = served(tree)
    answer = client.get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip", HTTP_RANGE="bytes=0-3")
    assert (answer.status, answer.body) == (206, b"body")
    assert (answer.header("Content-Encoding"), answer.header("Vary")) == (None, "Accept-Encoding")


@pytest.mark.parametrize(
    ("content", "kept"),
    [(CSS[::-1], "no-store"), (b"a {}", "public, max-age=31536000, immutable")],
    ids=["as large as before", "of another size"],
)
def test_a_file_that_was_changed_since_is_served_as_it_is(tree: Path, content: bytes, kept: str) -> None:
    (tree / "static" / "css" / "style.css").write_bytes(content)
    static, client = served(tree)
    answer = client.get(static.url("css/style.css"), HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Content-Encoding"), answer.header("Vary")) == (content, None, None)
    assert answer.header("Cache-Control") == kept


def test_without_its_compressed_neighbour_it_is_served_plain(tree: Path) -> None:
    (tree / "static" / "css" / "style.css.gz").unlink()
    answer = served(tree)[1].get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Content-Encoding")) == (CSS, None)


def test_the_table_is_not_looked_at_in_development(tree: Path) -> None:
    answer = served(tree, development=True)[1].get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Vary")) == (CSS, None)


def test_a_compressed_file_of_the_site_s_own_is_used_if_it_is_right(tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        put(tmp_path, f"static/{name}.css", CSS)
    put(tmp_path, "static/right.css.gz", gzip.compress(CSS))
    put(tmp_path, "static/wrong.css.gz", gzip.compress(CSS[1:]))
    statics.write(tmp_path, "static")
    _, client = served(tmp_path)
    for name, encoding in (("right", "gzip"), ("wrong", None)):
        answer = client.get(f"/static/{name}.css", HTTP_ACCEPT_ENCODING="gzip")
        assert answer.header("Content-Encoding") == encoding


# Settings

YAML = """
name: shop
demijohn:
  session: {timeout: 4242}
  memcached.url: [one:1, two:2]
  app:
    deep: {list: [1, 2.5, null, "x"]}
"""


def test_the_settings_are_read_beforehand_with_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "config.yaml", YAML)
    plain = config.load(tmp_path, environ={}, base={"environment": "development"})
    assert settings.write(tmp_path)
    monkeypatch.setattr(document, "read", None)
    fast = config.load(tmp_path, environ={}, base={"environment": "development"})
    assert dict(fast) == dict(plain)
    assert [fast.source(name) for name in fast if name != "app"] == [
        plain.source(name) for name in plain if name != "app"
    ]
    assert fast.source("session.timeout") == "config.yaml:4"
    monkeypatch.undo()
    path.write_text(YAML.replace("4242", "4243"))
    assert config.load(tmp_path, environ={}, base={"environment": "development"})["session.timeout"] == 4243


@pytest.mark.parametrize("text", ["2026-01-02", "{1: one}", ".inf", "!!set {a, b}"])
def test_what_json_cannot_say_is_left_to_yaml(tmp_path: Path, text: str) -> None:
    put(tmp_path, "config.yaml", f"demijohn:\n  app:\n    value: {text}\n")
    assert not settings.write(tmp_path)
    assert not (tmp_path / prepared.FOLDER / prepared.FILE).exists()
