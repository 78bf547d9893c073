"""Error pages: calm, for a person or a program, with the headers that the error carries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import HTTPError, Site
from demijohn.config import csp
from demijohn.errorpages.accept import wants_problem
from demijohn.errorpages.plain import STYLE
from demijohn.errorpages.words import retry_after, span
from tests.client import Client
from tests.faulty import Faulty

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROBLEM = "application/problem+json"


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Faulty]:
    faulty = Faulty(tmp_path, tickets__store="off")
    headers: dict[int, dict[str, str]] = {
        401: {"WWW-Authenticate": "Basic realm=shop"},
        429: {"Retry-After": "150"},
        503: {"Retry-After": "2"},
    }

    @faulty.site.route("/fail/<status:int>", method=["GET", "POST"])
    def fail(status: int) -> None:
        raise HTTPError(status, None, **headers.get(status, {}))

    yield faulty
    faulty.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 503])
def test_each_status_as_a_page_and_as_a_problem(faulty: Faulty, status: int) -> None:
    page = faulty.ask(f"/fail/{status}", HTTP_ACCEPT=BROWSER)
    problem = faulty.ask(f"/fail/{status}", HTTP_ACCEPT=PROBLEM)
    assert (page.status, problem.status) == (status, status)
    assert page.header("Content-Type") == "text/html; charset=UTF-8"
    assert problem.header("Content-Type") == PROBLEM
    told = problem.json
    assert (told["type"], told["status"], told["instance"]) == ("about:blank", status, f"/fail/{status}")
    assert f"<title>{status} {told['title']}</title>" in page.text
    assert f"<p>{told['detail']}</p>" in page.text
    assert told["detail"] not in (told["title"], "")
    assert told["detail"].endswith(".")
    assert "Accept" in (page.header("Vary") or "")
    assert (page.header("Cache-Control") == "no-store") == (status >= 500)


def test_headers_that_the_error_carries_are_kept(faulty: Faulty) -> None:
    for accept in (BROWSER, PROBLEM):
        assert faulty.ask("/fail/401", HTTP_ACCEPT=accept).header("WWW-Authenticate") == "Basic realm=shop"
        assert faulty.ask("/fail/429", HTTP_ACCEPT=accept).header("Retry-After") == "150"
        assert faulty.ask("/fine", "DELETE", HTTP_ACCEPT=accept).header("Allow") == "GET"
    assert "Please go on in 3 minutes." in faulty.ask("/fail/429").text
    assert faulty.ask("/fail/503", HTTP_ACCEPT=PROBLEM).json["retry_after"] == 2


def test_one_error_that_is_raised_again_and_again_stays_as_it_is(faulty: Faulty) -> None:
    same = HTTPError(403, "Closed.", X_Why="holiday", Vary="Cookie", Content_Length="99999")

    @faulty.site.get("/same")
    def raise_it() -> None:
        raise same

    for accept in (PROBLEM, BROWSER, PROBLEM):
        answer = faulty.ask("/same", HTTP_ACCEPT=accept)
        assert (answer.header("X-Why"), answer.header("Vary")) == ("holiday", "Cookie, Accept")
        assert answer.header("Content-Length") == str(len(answer.body))
        assert ("<p>Closed.</p>" in answer.text) == (accept == BROWSER)


def test_head(faulty: Faulty) -> None:
    answer = faulty.ask("/fail/404", "HEAD", HTTP_ACCEPT=BROWSER)
    assert (answer.status, answer.body) == (404, b"")
    assert answer.header("Content-Length") == str(len(faulty.ask("/fail/404", HTTP_ACCEPT=BROWSER).body))


def test_before_routing(faulty: Faulty) -> None:
    answer = faulty.ask("/\xff", HTTP_ACCEPT=PROBLEM)
    assert (answer.status, answer.header("Content-Type")) == (400, PROBLEM)
    assert answer.json["instance"] == "/%FF"
    assert "not UTF-8" in answer.json["detail"]
    assert "<h1>Bad Request</h1>" in faulty.ask("/\xff", HTTP_ACCEPT=BROWSER).text


def test_members_of_its_own(faulty: Faulty) -> None:
    @faulty.site.get("/taken")
    def taken() -> None:
        raise HTTPError(409, {"type": "/problems/taken", "detail": "This name is taken.", "name": "ann"})

    told = faulty.ask("/taken", HTTP_ACCEPT=PROBLEM).json
    assert (told["type"], told["detail"], told["name"]) == ("/problems/taken", "This name is taken.", "ann")
    assert "<p>This name is taken.</p>" in faulty.ask("/taken", HTTP_ACCEPT=BROWSER).text


def test_what_a_handler_says_is_escaped_and_bottle_s_own_words_are_not_shown(faulty: Faulty) -> None:
    @faulty.site.get("/marked")
    def marked() -> None:
        raise HTTPError(400, "<script>alert(1)</script>")

    text = faulty.ask("/marked", HTTP_ACCEPT=BROWSER).text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "Not found:" not in faulty.ask("/<script>", HTTP_ACCEPT=BROWSER).text


def test_the_site_s_own_page_knows_all_of_it(faulty: Faulty) -> None:
    page = "{{ status }}|{{ title }}|{{ message }}|{{ ticket }}|{{ retry_after }}|{{ traceback }}"
    (faulty.root / "views" / "error.html").write_text(page)
    assert faulty.ask("/fail/429").text.startswith("429|Too Many Requests|That was more often")
    assert faulty.ask("/fail/429").text.endswith("|None|150|")
    status, title, _, ticket, _, traceback = faulty.ask("/handler").text.split("|")
    assert (status, title, traceback) == ("500", "Internal Server Error", "")
    assert len(ticket) == 9
    assert faulty.ask("/handler", HTTP_ACCEPT=PROBLEM).json["ticket"] == ticket


def test_the_site_s_own_page_may_need_what_is_down(faulty: Faulty) -> None:
    broken = "{{ session.get('user') }}{% for row in rows() %}{{ row }}{% endfor %}"
    (faulty.root / "views" / "error.html").write_text(broken)

    def rows() -> Any:
        raise OSError("the database is away")

    faulty.site.views.environment.globals["rows"] = rows
    answer = faulty.ask("/fail/503")
    assert (answer.status, "<h1>Service Unavailable</h1>" in answer.text) == (503, True)
    assert answer.header("Retry-After") == "2"


def test_the_plain_page_brings_the_policy_that_its_style_needs(faulty: Faulty) -> None:
    answer = faulty.ask("/fail/404")
    policies = [value for name, value in answer.headers if name.lower() == "content-security-policy"]
    assert policies == [csp.only(STYLE)]
    assert f"<style>{STYLE}</style>" in answer.text
    assert "unsafe" not in policies[0]


@pytest.mark.parametrize(
    ("accept", "content_type", "problem"),
    [
        (None, "", False),
        ("", "", False),
        ("*/*", "", False),  # curl, fetch(), crawlers
        ("*/*", "application/json", True),  # a program that has sent JSON
        ("*/*", "application/merge-patch+json; charset=utf-8", True),
        ("*/*", "application/x-www-form-urlencoded", False),
        (BROWSER, "", False),
        (BROWSER, "application/json", False),
        (PROBLEM, "", True),
        ("application/json", "", True),
        ("Application/JSON", "", True),
        ("application/json, text/plain, */*", "", True),  # axios
        ("application/json, text/html", "", False),
        ("text/html, application/json", "application/json", True),
        ("text/html;q=0.5, application/json", "", True),
        ("text/html, application/json;q=0.9", "", False),
        ("text/html;q=0, application/json;q=0.1", "", True),
        ("application/json;q=0, */*", "", False),
        ("text/html;q=0, */*", "", True),
        ("application/*", "", True),
        ("application/*, text/html;q=0.9", "", True),
        ("text/*, application/*", "", False),
        ("text/*;q=0.3, application/problem+json;q=0.2", "", False),
        ("image/png", "", False),
        ('text/html;level="1,application/json"', "", False),
        ("application/json;q=nonsense", "", False),
        ("application/json;q=1.5", "", False),
        (";;,,//,q=", "", False),
        ("rubbish application/json", "", False),  # to look for a range behind each letter would take long
        ("application/json," * 10_000, "", True),
    ],
)
def test_accept(accept: str | None, content_type: str, problem: bool) -> None:
    assert wants_problem(accept, content_type) is problem


def test_retry_after() -> None:
    from email.utils import formatdate
    from time import time

    assert retry_after("120") == 120
    assert retry_after(None) is retry_after("soon") is retry_after("") is None
    assert 50 <= (retry_after(formatdate(time() + 60, usegmt=True)) or 0) <= 60
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [span(n) for n in (1, 90, 120, 150, 7200, 172800)] == [
        "1 second", "90 seconds", "2 minutes", "3 minutes", "2 hours", "2 days",
    ]  # fmt: skip


def test_production_shows_no_traceback_whatever_one_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Faulty(tmp_path, tickets__store="off")
    (tmp_path / "views" / "error.html").write_text("{{ traceback }}{{ exception }}{{ message }}{{ error }}")
    monkeypatch.setattr(bottle, "DEBUG", True)
    monkeypatch.setenv("DEMIJOHN_ENV", "development")
    monkeypatch.setenv("DEMIJOHN_ENVIRONMENT", "development")
    tries: list[tuple[str, dict[str, Any]]] = [
        ("?debug=1&traceback=1&__debugger__=yes&environment=development", {}),
        ("", {"HTTP_X_DEBUG": "1", "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1"}),
        ("", {"HTTP_COOKIE": "debug=1; environment=development", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}),
        ("", {"HTTP_ACCEPT": PROBLEM}),
        ("", {"HTTP_ACCEPT": "text/plain"}),
        ("", {"HTTP_ACCEPT": BROWSER, "wsgi.multithread": True}),
    ]
    faulty.site.config["environment"] = "development"
    faulty.site.config["debug"] = True
    for path in ("/handler", "/template", "/first-piece", "/commit", "/nothing-to-send"):
        for query, environ in tries:
            answer = faulty.ask(path + query, **environ)
            assert answer.status == 500
            for word in ("Traceback", "the inner reason", "faulty.py", "RuntimeError", "handlers fail", str(tmp_path)):
                assert word not in answer.text, (path, query, environ)
                assert word not in json.dumps(answer.headers)
    faulty.close()


def test_a_site_without_parts_has_bottle_s_page() -> None:
    assert "<!DOCTYPE HTML PUBLIC" in Client(Site()).get("/nowhere", HTTP_ACCEPT=PROBLEM).text
