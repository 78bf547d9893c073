"""What a template calls is called as Jinja2 itself would call it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from demijohn.views import Views


class Basket:
    things = ("apple", "pear")

    def __call__(self, *things: str) -> str:
        return " and ".join(things)

    def first(self, number: int = 1, *, mark: str = "") -> str:
        return " ".join(self.things[:number]) + mark

    @jinja2.pass_context
    def named(self, context: Any, greeting: str) -> str:
        return f"{greeting} {context['name']}"

    @jinja2.pass_environment
    def known(self, environment: jinja2.Environment) -> bool:
        return "url" in environment.globals


@jinja2.pass_eval_context
def escaping(context: Any) -> bool:
    return bool(context.autoescape)


def over() -> None:
    empty: Iterator[int] = iter(())
    next(empty)


@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("{{ basket.first() }}", "apple"),
        ("{{ basket.first(2, mark='!') }}", "apple pear!"),
        ("{{ basket('<', name) }}", "&lt; and Jane"),
        ("{{ basket.named('Hello') }}", "Hello Jane"),
        ("{% for _ in 'a' %}{% set name = 'Joe' %}{{ basket.named('Hello') }}{% endfor %}", "Hello Joe"),
        ("{% block inner %}{{ basket.first() }}{% endblock %}", "apple"),
        ("{% for _ in 'ab' %}{{ loop.cycle('odd', 'even') }} {% endfor %}", "odd even "),
        ("{{ basket.known() }}", "True"),
        ("{{ escaping() }}", "True"),
        ("{{ name.upper() }}", "JANE"),
        ("{{ dict(a=1).a }}", "1"),
        ("{% macro say(what) %}<b>{{ what }}</b>{% endmacro %}{{ say('<') }}", "<b>&lt;</b>"),
        ("{{ over() }}, {{ over() is undefined }}", ", True"),
    ],
)
def test_calls(template: str, page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(template)
    views = Views(tmp_path)
    names = {"basket": Basket(), "name": "Jane", "escaping": escaping, "over": over}
    assert views.render("page", **names) == page
    plain = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path), autoescape=True)
    plain.globals["url"] = None
    assert plain.get_template("page.html").render(names) == page
