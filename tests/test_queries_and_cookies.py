"""Queries and cookies, which Bodies mends too: what is no text in them, and what Python takes for no cookie."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import bottle
import pytest
from bottle import request

from demijohn.bodies import Bodies
from tests.client import Answer, Client


def show(read: Callable[[], Any], query: str = "", **environ: str) -> Answer:
    plain = bottle.Bottle()
    plain.install(Bodies())
    plain.get("/", callback=lambda: json.dumps(read()))
    return Client(plain).get(f"/?{query}", **environ)


def test_a_query_is_kept_as_bottle_keeps_it() -> None:
    query = "a=%C3%A9+%2B%zz%&b=1&b=2&&=3&c"
    assert show(lambda: request.query.a, query).json == "é +%zz%"
    assert show(lambda: request.query["a"], query).json == "Ã© +%zz%"
    assert show(lambda: [request.GET.getall("b"), *request.query], query).json == [["1", "2"], "a", "b", "", "c"]


def test_a_query_that_is_not_utf8_is_refused_by_who_needs_it() -> None:
    query = "q=%FF&page=2"
    assert show(lambda: [request.query.page, request.query["q"], request.params.page], query).json == ["2", "ÿ", "2"]
    assert show(lambda: request.query.getunicode("q", encoding="latin1"), query).json == "ÿ"
    for read in (lambda: request.query.q, lambda: request.query.decode().q, lambda: request.params.q):
        answer = show(read, query)
        assert (answer.status, answer.errors) == (400, "")
        assert "what follows the question mark is not UTF-8" in answer.text


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a@b=1; (c)=2; session=kept", {"a@b": "1", "(c)": "2", "session": "kept"}),  # CookieError in Python
        ('x={"no": 1}; session=kept', {"x": '{"no": 1}', "session": "kept"}),  # in Python, the end of all cookies
        ("novalue; =noname; ; a\x01=1; b=\x7f; session=kept", {"session": "kept"}),
        ('a="x\\073\\"y\\\\"', {"a": 'x;"y\\'}),
        ("a=1; a=2", {"a": "2"}),
        ("", {}),
    ],
)
def test_cookies_never_fail(header: str, cookies: dict[str, str]) -> None:
    assert show(lambda: dict(request.cookies), HTTP_COOKIE=header).json == cookies


def test_cookies_that_bottle_sets_come_back() -> None:
    key, answer = "key", bottle.Response()
    answer.set_cookie("plain", 'a b;"é\\,')
    answer.set_cookie("signed", "x;é", secret=key)
    cookies = [value.partition(";")[0] for name, value in answer.headerlist if name == "Set-Cookie"]
    environ = {"HTTP_COOKIE": "; ".join(cookies)}
    assert show(lambda: request.get_cookie("plain"), **environ).json == 'a b;"é\\,'
    assert show(lambda: request.get_cookie("signed", secret=key), **environ).json == "x;é"
