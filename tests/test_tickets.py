"""Unhandled errors: an id for the visitor, one ticket for equal ones, nothing secret, and no harm done by it."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bottle
import pytest

from demijohn import secrecy
from demijohn.errors import StoreUnavailableError
from demijohn.secrecy import hiding
from demijohn.tickets import Tickets
from demijohn.tickets.waiting import SAMPLES
from tests.client import Client
from tests.faulty import ID, PLANTED, SECRET, Faulty, id_in, raises


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Faulty]:
    faulty = Faulty(tmp_path)
    faulty.site.create_tables()
    yield faulty
    faulty.close()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/handler", "RuntimeError"),
        ("/template", "jinja2.exceptions.UndefinedError"),
        ("/unclosed", "jinja2.exceptions.TemplateSyntaxError"),
        ("/plugin", "TimeoutError"),
        ("/first-piece", "ArithmeticError"),
        ("/commit", "sqlalchemy.exc.IntegrityError"),
        ("/nothing-to-send", "TypeError"),
        ("/after-writing", "LookupError"),
    ],
)
def test_an_error_anywhere_has_an_id_that_the_visitor_sees(
    faulty: Faulty, path: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = faulty.ask(path)
    assert answer.status == 500
    assert answer.errors == "", "the log tells it, once"
    id = id_in(answer.text)
    (ticket,) = faulty.tickets(flush=False)  # it was brought home with the request
    assert (ticket["id"], ticket["error"], ticket["count"]) == (id, error, 1)
    assert ticket["samples"][0]["request"]["path"] == path
    lines = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in lines] == ["demijohn.tickets"]
    assert lines[0].facts["ticket"] == id  # type: ignore[attr-defined]
    assert caplog.text.count("Traceback (most recent call last)") >= 1


def test_hooks_and_openers(faulty: Faulty) -> None:
    hook = faulty.site.add_hook("before_request", raises(OSError("a hook")))
    assert id_in(faulty.ask("/fine").text)
    faulty.site.remove_hook("before_request", hook)
    from demijohn import lifetime

    opener = raises(OverflowError("an opener"))
    lifetime.attach(faulty.site, opener)
    answer = faulty.ask("/fine")
    lifetime.forget(faulty.site, opener)
    assert answer.status == 500
    assert id_in(answer.text)
    assert faulty.counts() == {"OSError": 1, "OverflowError": 1}


@pytest.mark.parametrize(("path", "error"), [("/middle", EOFError), ("/closing", BufferError)])
def test_an_error_in_the_middle_of_a_body(faulty: Faulty, path: str, error: type[Exception]) -> None:
    started = faulty.visitor.begin("GET", path)
    assert next(started.pieces) == b"one"
    fail = started.close if path == "/closing" else lambda: next(started.pieces)
    with pytest.raises(error):
        fail()
    with contextlib.suppress(Exception):
        started.close()
    (ticket,) = faulty.tickets(flush=False)
    assert (ticket["error"], ticket["count"]) == (error.__name__, 1)


def test_an_error_page_that_fails(faulty: Faulty) -> None:
    @faulty.site.error(404)
    def broken(_error: Any) -> str:
        raise NotImplementedError("the page")

    answer = faulty.ask("/nowhere")
    assert (answer.status, "Something went wrong" in answer.text) == (500, True)
    assert faulty.counts() == {"NotImplementedError": 1}


def test_a_template_of_the_error_page_that_fails(faulty: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    (faulty.root / "views" / "error.html").write_text("{{ status }} {{ broken.page }}")
    assert "There is nothing at this address" in faulty.ask("/nowhere").text
    assert faulty.counts() == {"jinja2.exceptions.UndefinedError": 1}
    assert "error page failed" in caplog.text


def test_own_error_handlers_get_the_id_and_the_traceback(faulty: Faulty) -> None:
    @faulty.site.error(500)
    def own(error: Any) -> str:
        return f"{bottle.request.environ['demijohn.ticket']} {error.traceback.splitlines()[-1]}"

    text = faulty.ask("/handler").text
    (ticket,) = faulty.tickets()
    assert text == f"{ticket['id']} RuntimeError: the inner reason"


def test_what_is_said_on_purpose_and_outages_are_no_tickets(faulty: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    assert "<code>" not in faulty.ask("/foreseen").text
    assert "<code>" not in faulty.ask("/nowhere").text
    assert faulty.site.tickets.record(StoreUnavailableError("redis")) is None
    hook = faulty.site.add_hook("before_request", raises(StoreUnavailableError("redis")))
    assert faulty.ask("/fine").status == 500
    faulty.site.remove_hook("before_request", hook)
    assert faulty.counts() == {}
    assert not [record for record in caplog.records if record.name == "demijohn.tickets"]


def test_equal_errors_are_one_ticket_with_a_count(faulty: Faulty) -> None:
    ids = {id_in(faulty.ask("/handler", QUERY_STRING=f"n={number}").text) for number in range(12)}
    assert len(ids) == 1
    assert ids.isdisjoint({id_in(faulty.ask("/other").text)}), "the same words from another line are another error"
    ticket = next(ticket for ticket in faulty.tickets() if ticket["id"] in ids)
    assert ticket["count"] == 12
    assert ticket["first"] <= ticket["last"]
    assert len(ticket["samples"]) == SAMPLES
    assert ticket["place"].startswith("tests/faulty.py:") or "faulty.py:" in ticket["place"]


def test_an_error_is_the_same_in_the_next_release(tmp_path: Path) -> None:
    def id_of(source: str) -> str | None:
        file = tmp_path / "shop.py"
        file.write_text(source)
        namespace: dict[str, Any] = {}
        import linecache

        linecache.checkcache()
        exec(compile(source, str(file), "exec"), namespace)  # noqa: S102
        try:
            namespace["sell"]()
        except Exception as error:
            return Tickets(tmp_path).record(error)
        raise AssertionError("unreachable")

    first = id_of("def sell():\n    raise ValueError('sold out')\n")
    assert first == id_of("# A word more\n\n\ndef sell():\n    raise ValueError('sold out')\n")
    assert first != id_of("def sell():\n    raise ValueError('closed')\n")
    assert first != id_of("def sell():\n    raise KeyError('sold out')\n")


def test_recursions_of_any_depth_are_one_ticket(tmp_path: Path) -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            raise RecursionError("deep")
        dig(depth - 1)

    tickets = Tickets()
    ids = set()
    for depth in (10, 100, 900):
        try:
            dig(depth)
        except RecursionError as error:
            ids.add(tickets.record(error))
    assert len(ids) == 1


def test_nothing_secret_is_written_down(
    faulty: Faulty, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", f"sk-{PLANTED}")
    faulty.ask(
        f"/secret?token={PLANTED}&page=7&next=%2F%3Fapi_key%3D{PLANTED}",
        HTTP_COOKIE=f"session={PLANTED}; theme=dark",
        HTTP_AUTHORIZATION=f"Bearer {PLANTED}",
        HTTP_X_API_KEY=PLANTED,
        HTTP_REFERER=f"https://example.org/reset?token={PLANTED}&q=cake",
        HTTP_X_NOTE=f"sk-{PLANTED}",
        HTTP_USER_AGENT="Firefox",
    )
    body = f"name=Ann&password={PLANTED}".encode()
    faulty.ask("/handler", "POST", body, CONTENT_TYPE="application/x-www-form-urlencoded")
    tickets = faulty.tickets()
    written = json.dumps(tickets) + caplog.text + json.dumps([r.facts for r in caplog.records if hasattr(r, "facts")])
    assert PLANTED not in written
    assert SECRET not in written
    request = next(t for t in tickets if t["error"] == "ValueError")["samples"][0]["request"]
    assert request["query"].startswith("token=(hidden)&page=7")
    assert "Cookie" not in request["headers"]
    assert "Authorization" not in request["headers"]
    assert request["headers"]["User-Agent"] == "Firefox"
    assert request["headers"]["Referer"].endswith("q=cake")
    assert (request["user"], request["route"], request["method"]) == ("17", "/secret", "GET")
    form = next(t for t in tickets if t["error"] == "RuntimeError")["samples"][0]["request"]
    assert form["fields"] == ["name", "password"]
    assert "Ann" not in json.dumps(form)


def test_no_header_keeps_an_error_from_being_written_down(faulty: Faulty) -> None:
    for header in ("for=%" * 1500, "a=" + "".join(f"b%{'25' * n}3D" for n in range(60))):
        faulty.ask("/handler", HTTP_REFERER=header, QUERY_STRING=header)
    (ticket,) = faulty.tickets()
    assert ticket["count"] == 2
    assert [set(sample) >= {"traceback", "request"} for sample in ticket["samples"]] == [True, True]
    deep = PLANTED
    for _ in range(6):
        deep = quote(f"/?back={quote(f'/?token={deep}', safe='')}", safe="")
    assert PLANTED not in secrecy.query(f"/?back={deep}")
    assert secrecy.query("/?back=%2F%3Fpage%3D2") == "/?back=%2F%3Fpage%3D2"


def test_a_secret_is_known_where_its_text_is_cut(faulty: Faulty) -> None:
    assert faulty.site.tickets.record(ValueError("x" * 288 + " " + SECRET))
    assert SECRET[:6] not in json.dumps(faulty.tickets())


def test_what_a_visitor_makes_very_long_is_not_searched_whole(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    hide = hiding._hide

    def noted(text: str, values: Any) -> str:
        lengths.append(len(text))
        return hide(text, values)

    monkeypatch.setattr(hiding, "_hide", noted)
    error = KeyError("a" * 4_000_000 + SECRET)
    faulty.site.tickets.record(error)
    assert "AttributeError" not in faulty.site.tickets.explain(error).html
    assert lengths
    assert max(lengths) < 60_000
    assert SECRET not in json.dumps(faulty.tickets())


def test_code_that_visitors_send_makes_no_tickets_of_their_own(faulty: Faulty) -> None:
    def evaluate(text: str) -> None:
        try:
            ast.literal_eval(text)
        except SyntaxError as error:
            faulty.site.tickets.record(error)

    for number in range(5):
        evaluate(f"({number}")
    assert [ticket["count"] for ticket in faulty.tickets()] == [5]


def test_what_a_statement_was_given_is_not_written_down(faulty: Faulty) -> None:
    from sqlalchemy import text

    with pytest.raises(Exception, match="no such table") as caught, faulty.site.db.unit() as db:
        db.execute(text("SELECT * FROM nowhere WHERE name = :name"), {"name": PLANTED})
    assert faulty.site.tickets.record(caught.value)
    assert PLANTED not in json.dumps(faulty.tickets())


def test_release_host_and_process_stand_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMIJOHN_HOST", "heroku")
    monkeypatch.setenv("HEROKU_RELEASE_VERSION", "v42")
    monkeypatch.setenv("DYNO", "web.3")
    faulty = Faulty(tmp_path, database__url="", session__type="cookie", memcached__url=())
    with pytest.MonkeyPatch.context() as patch:
        told: list[logging.LogRecord] = []
        patch.setattr(logging.getLogger("demijohn.tickets"), "handle", told.append)
        faulty.ask("/handler", HTTP_X_FORWARDED_PROTO="https")
    (record,) = told
    facts = record.facts  # type: ignore[attr-defined]
    assert (facts["release"], facts["host"], facts["process"]) == ("v42", "web.3", os.getpid())


def test_by_hand_in_a_request_and_outside_of_one(faulty: Faulty) -> None:
    assert ID.fullmatch(faulty.ask("/caught").text)
    with pytest.raises(ZeroDivisionError) as caught, faulty.site.db.unit():
        _ = 1 / 0
    assert ID.fullmatch(faulty.site.tickets.record(caught.value) or "")
    tickets = {ticket["error"]: ticket for ticket in faulty.tickets()}
    assert tickets["KeyError"]["samples"][0]["request"]["path"] == "/caught"
    assert "request" not in tickets["ZeroDivisionError"]["samples"][0]


def test_an_error_that_cannot_be_told_is_written_down_all_the_same(faulty: Faulty) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    @faulty.site.get("/mute")
    def mute() -> None:
        raise Mute

    @faulty.site.get("/odd")
    def odd() -> None:
        raise ValueError("half of \ud83d, a \0 and \x1b[31m")

    assert faulty.ask("/mute").status == 500
    assert faulty.ask("/odd").status == 500
    assert len(faulty.tickets()) == 2


def test_the_request_s_own_transaction_is_untouched(faulty: Faulty) -> None:
    faulty.ask("/after-writing")
    with sqlite3.connect(faulty.root / "data.sqlite") as connection:
        assert connection.execute("SELECT COUNT(*) FROM items").fetchall() == [(0,)]
        assert connection.execute("SELECT count FROM demijohn_tickets").fetchall() == [(1,)]
    connection.close()


def test_alone_in_a_bottle_app(caplog: pytest.LogCaptureFixture) -> None:
    app = bottle.Bottle()
    tickets = app.install(Tickets())

    @app.get("/boom")
    def boom() -> str:
        raise RuntimeError("alone")

    answer = Client(app).get("/boom")
    assert (answer.status, answer.errors) == (500, "")
    assert "RuntimeError: alone" in caplog.text
    assert not tickets.waiting.any
    plain = bottle.Bottle()
    plain.route("/boom", callback=boom)
    assert "RuntimeError: alone" in Client(plain).get("/boom").errors, "other apps are left as they are"


def test_a_site_without_errors_imports_none_of_it(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from demijohn import Site
site = Site(Path({str(tmp_path)!r}), {{"environment": "production", "secret": "x" * 32}})
site.route("/", callback=lambda: "fine")
environ = {{"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "localhost", "wsgi.url_scheme": "http"}}
site.wsgi(environ, lambda *a: None)
print(sorted(name for name in sys.modules if name.startswith("demijohn.tickets")), "sqlalchemy" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['demijohn.tickets', 'demijohn.tickets.plugin'] False"
