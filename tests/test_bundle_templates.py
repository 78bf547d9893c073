"""What a site makes of templates that a bundle has compiled: the same pages, to the letter."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

from demijohn import hosts
from demijohn.deploy.bundle import make
from demijohn.deploy.bundle.templates import compile_all
from demijohn.views import Views
from tests.bundles import put, small_site
from tests.sites import clean_environment

PAGES = {
    "base.html": "<title>{% block title %}{% endblock %}</title>{% block body %}{% endblock %}\n",
    "page.html": "{% extends 'base.html' %}\n{% block title %}{{ text }}{% endblock %}\n"
    "{% block body %}{% for x in items %}{{ loop.index }}{{ f(x) }}{% endfor %}{% include 'deep/part.html' %}"
    "{% endblock %}",
    "deep/part.html": "{% macro m(x) %}<i>{{ x }}</i>{% endmacro %}{{ m(text) }}{{ request.path }}",
    "mail.txt": "{{ text }}",
    "broken.html": "\n\n{{ 1 // zero }}",
}


def compiled(folder: Path, pages: dict[str, str] = PAGES, change: Callable[[Any], None] = lambda _: None) -> Path:
    """Put `pages` into `folder`, and into the folder that is returned what they compile to.

    :param change: what the site does to its environment.
    """
    for name, text in pages.items():
        put(folder, name, text)
    views = Views(folder)
    change(views.environment)
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
    """Also where it is applied to a constant: Jinja2 would call it when it compiles, with this machine's settings."""
    text = "{{ text | upper }} {{ 'a' | mine }} {{ 'b' | told }} {{ 1 is ours }} {{ 'c' | upper }} {{ 'D' | lower }}"

    def change(environment: jinja2.Environment, here: bool) -> None:
        environment.filters["upper"] = lambda text: f"{here} {text}"
        environment.filters["mine"] = lambda text: f"{here} {text}"
        environment.filters["told"] = jinja2.pass_environment(lambda env, text: f"{here} {text} {'url' in env.globals}")
        environment.tests["ours"] = lambda _value: here

    def here(environment: jinja2.Environment) -> None:
        change(environment, here=True)

    target = compiled(tmp_path / "views", {"page.html": text}, change=here)
    views = Views(tmp_path / "views", compiled=target)
    change(views.environment, here=False)
    assert views.render("page", text="x") == "False x False a False b True False False c d"
    assert "' d'" in (target / "page.html.py").read_text(), "Jinja2's own are called beforehand"


#: What a site may do in its templates, one of each kind.
CORPUS = {
    "layout.html": "<head>{% block head %}<title>{% block title %}A{% endblock %}</title>{% endblock %}</head>"
    "{% block main scoped required %}{% endblock %}",
    "child.html": "{% extends 'layout.html' %}{% block head %}{{ super() }}+{% endblock %}{% block main %}m"
    "{% endblock %}",
    "grandchild.html": "{% extends 'child.html' %}{% block title %}G {{ self.main() }}{% endblock %}",
    "dynamic.html": "{% extends base %}{% block main %}{{ text }}{% endblock %}",
    "macros.html": "{% macro field(name, kind='text') %}<input name={{ name }} type={{ kind }}>{{ caller() if caller }}"
    "{{ varargs }}{{ kwargs }}{% endmacro %}{% set shared = 7 %}",
    "import.html": "{% import 'macros.html' as m %}{{ m.field('a') }}{{ m.shared }}",
    "from.html": "{% from 'macros.html' import field as f with context %}{% call f('b', size=3) %}<i>{% endcall %}",
    "include.html": "{% include 'part one.html' %}{% include ['no.html', 'müsli.html'] %}"
    "{% include 'no' ignore missing %}",
    "without.html": "{% set text = 'x' %}{% include 'part one.html' without context %}",
    "part one.html": "[{{ text }}]",
    "müsli.html": "ü {{ text }} 漢",
    "a/b/c/deep.html": "{% extends 'layout.html' %}{% block main %}{% include 'a/b/next.html' %}{% endblock %}",
    "a/b/next.html": "{{ self is defined }}{{ text }}",
    "raw.html": "{% raw %}{{ not }} {% a %}{% endraw %}{{ '{{' }}",
    "comment.html": "a{# {{ b }} #}c",
    "trim.html": "a  {%- if true -%}  b  {%- endif -%}  c",
    "lines.html": "a\r\nb\nc\n\n",
    "text.txt": "{{ text }} & <b>",
    "feed.xml": "<?xml version='1.0'?><a>{{ text }}</a>",
    "data.json": '{"a": {{ items | tojson }}, "b": {{ text | tojson }}}',
    "script.js": "var a = {{ text | tojson }};",
    "style.css": "a { content: '{{ text | e }}' }",
    "safe.html": "{{ text | safe }}{{ text | e }}{{ text | forceescape }}{{ '<i>' | safe ~ text }}",
    "autoescape.html": "{% autoescape false %}{{ text }}{% endautoescape %}{{ text }}",
    "volatile.html": "{% autoescape flag %}{{ text }}{{ '<' | upper }}{% endautoescape %}",
    "filterblock.html": "{% filter upper | replace('B', 'x') %}{{ text }}b{% endfilter %}",
    "sort.html": "{{ items | map('upper') | join(', ') }}{{ rows | groupby('k') | list | length }}"
    "{{ rows | sum('k') }}",
    "select.html": "{{ [1, 2, 3] | select('odd') | list }}{{ items | batch(2, '-') | list }}{{ 'a' | default('b') }}",
    "format.html": "{{ '%s|%05.1f' | format(text, 3.14159) }}{{ 3.7 | round | int }}{{ 'a b' | title }}"
    "{{ 10 | filesizeformat }}",
    "truncate.html": "{{ 'one two three' | truncate(9) }}{{ 'a b c' | wordwrap(1) }}{{ 'x' | center(5) }}"
    "{{ 'http://a.b' | urlize }}",
    "loop.html": "{% for x in items %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{% else %}none"
    "{% endfor %}",
    "recursive.html": "{% for n in tree recursive %}{{ n.v }}{% if n.c %}({{ loop(n.c) }}){% endif %}{% endfor %}",
    "loopif.html": "{% for x in items if x != 'y' %}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{% endfor %}",
    "unpack.html": "{% for k, v in pairs.items() %}{{ k }}={{ v }};{% endfor %}",
    "namespace.html": "{% set ns = namespace(n=0) %}{% for x in items %}{% set ns.n = ns.n + 1 %}{% endfor %}"
    "{{ ns.n }}",
    "setblock.html": "{% set block | upper %}<b>{{ text }}{% endset %}{{ block }}",
    "with.html": "{% with a = 1, b = text %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "missing.html": "[{{ nothing }}]{{ nothing is undefined }}{{ nothing | default(text, true) }}",
    "tests.html": "{{ 3 is divisibleby 3 }}{{ items is sequence }}{{ text is string }}{{ 2 in [1, 2] }}"
    "{{ none is none }}",
    "maths.html": "{{ 7 // 2 }}{{ 2 ** 8 }}{{ 7 % 3 }}{{ -1 }}{{ 1.5e3 }}{{ 'a' * 3 }}{{ [1] + [2] }}{{ 1 < 2 < 3 }}",
    "slices.html": "{{ items[0] }}{{ items[1:] }}{{ items[::-1] }}{{ pairs['k'] }}{{ pairs.k }}{{ text[:2] }}",
    "choice.html": "{{ 'a' if flag else 'b' }}{{ 'x' if nothing }}{{ (flag and text) or 'n' }}{{ not flag }}",
    "calls.html": "{{ f(text) }}{{ f(*['z']) }}{{ f(**{'x': 'w'}) }}{{ dict(a=1).a }}{{ range(3) | list }}"
    "{{ lipsum is callable }}",
    "globals.html": "{{ ours }}{{ greet(text) }}{{ greet('<') }}{{ request.path }}{{ url is callable }}",
    "own.html": "{{ text | shout }}{{ 'q' | shout }}{{ text is loud }}{{ 'LOUD' is loud }}{{ text | bycontext }}"
    "{{ 1 | bycontext }}",
    "do.html": "{% set l = [] %}{% do l.append(text) %}{{ l }}{% for x in items %}{% if loop.index > 1 %}{% break %}"
    "{% endif %}{{ x }}{% endfor %}",
    "i18n.html": "{% trans %}Hello{% endtrans %}{% trans n=items | length %}{{ n }} thing{% pluralize %}{{ n }} things"
    "{% endtrans %}{{ _('Hello') }}",
    "trimmed.html": "{% trans trimmed who=text %}\n  Dear\n  {{ who }}\n{% endtrans %}",
    "same name.html": "{{ self._TemplateReference__context.name }}",
}


class Translations:
    def gettext(self, text: str) -> str:
        return f"tr({text})"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return f"tr({one if count == 1 else many})"


def as_a_site_has_it(environment: Any, newstyle: bool = True) -> None:
    """What a site may do to its environment when it is imported."""
    environment.add_extension("jinja2.ext.do")
    environment.add_extension("jinja2.ext.loopcontrols")
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_translations(Translations(), newstyle=newstyle)
    environment.filters["shout"] = lambda text: f"{text}!"
    environment.filters["bycontext"] = jinja2.pass_context(lambda context, value: f"{value}{context['text']}")
    environment.tests["loud"] = str.isupper
    environment.globals.update(ours="<ours>", greet=lambda name: f"Hello {name}")
    environment.autoescape = jinja2.select_autoescape(("html", "xml"))


def test_a_site_s_templates_are_the_same_to_the_letter(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "views"
    target = compiled(folder, CORPUS, change=as_a_site_has_it)
    variables = {
        **{"text": "<b>ü", "items": ["<x>", "y", "z"], "f": lambda x: f"({x})", "flag": True, "base": "child.html"},
        **{"rows": [{"k": 1}, {"k": 2}], "pairs": {"k": "<v>"}, "tree": [{"v": 1, "c": [{"v": 2}]}]},
    }

    def pages(**options: Any) -> dict[str, bytes]:
        views = Views(folder, **options)
        as_a_site_has_it(views.environment)
        names = sorted(CORPUS.keys() - {"layout.html"})  # which cannot be rendered by itself
        return {name: views.render(name, **variables).encode() for name in names}

    plain = pages()
    request.getfixturevalue("no_compiler")
    assert pages(compiled=target) == plain
    assert len(plain) > 40
    assert plain["own.html"].decode() == "&lt;b&gt;ü!q!FalseTrue&lt;b&gt;ü&lt;b&gt;ü1&lt;b&gt;ü"
    assert "tr(3 things)" in plain["i18n.html"].decode()


def test_translations_of_another_style_compile_anew(tmp_path: Path) -> None:
    folder = tmp_path / "views"
    target = compiled(folder, {"page.html": CORPUS["i18n.html"]}, change=as_a_site_has_it)
    said = set()
    for options in ({}, {"compiled": target}):
        views = Views(folder, **options)  # type: ignore[arg-type]
        as_a_site_has_it(views.environment, newstyle=False)
        said.add(views.render("page", items=[1, 2], text="x"))
    assert len(said) == 1


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
