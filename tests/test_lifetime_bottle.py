"""An app with the two moments answers as Bottle does without them, whatever its hooks, handlers and error pages do.
Longer, and with other apps each time: FUZZ=10000 pytest tests/test_lifetime_bottle.py"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from demijohn import lifetime
from tests.bottle_plans import PLANS, Built, Plan, Step


def by_design(plain: dict[str, Any], attached: dict[str, Any]) -> bool:
    """Whether it is the last resort, which lifetime words in its own way and logs."""
    if not plain["started"] or plain["started"][-1][0] != "500 INTERNAL SERVER ERROR":
        return False
    assert attached["started"][-1][0] == "500 Internal Server Error"
    assert [each[2] for each in attached["started"]] == [each[2] for each in plain["started"]]
    assert b"Something went wrong" in attached["body"][0]
    assert attached["log"] == plain["log"]
    return True


def planned(result: str = "text", *steps: Step, shape: str = "plain", **more: Any) -> Plan:
    usual = Plan((), (), [*steps], result, {}, shape, True, False, [("GET", "/")])
    return usual._replace(**more)


def typed(content_type: str) -> Plan:
    return planned("text", ("set", ("Content-Type", content_type)))


NOTE: Step = ("note", None)
ONCE: Step = ("raise once", "RouteReset")
THEN_FAIL: tuple[Step, ...] = (ONCE, ("status", 404), ("raise", "Exception"))


@given(PLANS)
@example(planned(shape="set _cast"))
@example(planned(shape="set _handle"))
@example(planned(shape="set trigger_hook"))
@example(planned(shape="own trigger_hook"))
@example(planned("weighed"))
@example(planned("text", *THEN_FAIL, after=([NOTE, ("raise once", "answer")],)))
@example(planned("text", ("add", ("X-Name", "é €")), ("cookie", "a")))
@example(planned("text", ("status", "200 Für dich")))
@example(typed("x; charset=latin1"))
@example(typed("x; charset="))
@example(typed("x; charset=latin1; a=UTF-8"))
@example(typed("x; charset=xUTF-8"))
@settings(max_examples=int(os.environ.get("FUZZ", "300")))
def test_answers_are_bottles(plan: Plan) -> None:
    built = Built(plan), Built(plan)
    lifetime.attach(built[1].app)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # RouteReset, and mounting as WSGI, are deprecated
        for method, path in plan.requests:
            plain, attached = (each.answer(method, path) for each in built)
            if not by_design(plain, attached):
                assert plain == attached


@pytest.mark.parametrize("status", [200, "201 Made"])
def test_usual_values_that_an_app_has_replaced(status: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bottle.BaseResponse, "default_status", status)
    monkeypatch.setattr(bottle.BaseResponse, "default_content_type", "text/plain")
    monkeypatch.setattr(bottle.LocalResponse, "bad_headers", {200: {"X-A"}}, raising=False)
    plan = planned("text", ("set", ("X-A", "1")))
    built = Built(plan), Built(plan)
    lifetime.attach(built[1].app)
    assert built[0].answer("GET", "/") == built[1].answer("GET", "/")


PARTS = st.lists(st.sampled_from(["", "a", "é", "path", "header"]), min_size=1, max_size=4)


@given(PARTS, PARTS, st.sampled_from(["UTF-8", "latin1"]), st.lists(st.booleans(), max_size=8))
def test_bodies_by_turns_are_what_they_are_alone(first: Any, second: Any, charset: str, turns: list[bool]) -> None:
    app = bottle.Bottle()
    lifetime.attach(app)

    @app.get("/<number:int>")
    def body(number: int) -> Iterator[str]:
        bottle.response.content_type = f"text/plain; charset={'UTF-8' if number else charset}"
        bottle.response.set_header("X-Number", number)
        for part in (first, second)[number]:
            yield {"path": bottle.request.path, "header": str(bottle.response.get_header("X-Number"))}.get(part, part)

    def ask(number: int) -> Iterator[bytes]:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/{number}", "wsgi.errors": io.StringIO()}
        return iter(app(environ, lambda *_: None))

    alone = [list(ask(number)) for number in (0, 1)]
    bodies = [ask(0), ask(1)]
    pieces: list[list[bytes]] = [[], []]
    for turn in turns:
        pieces[turn].extend([piece] if (piece := next(bodies[turn], None)) is not None else [])
    for number in (0, 1):
        pieces[number].extend(bodies[number])
    assert pieces == alone
