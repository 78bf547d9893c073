"""Who may send a form: what browsers, programs and other sites' pages say of themselves, and what comes of it."""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple

import bottle
import pytest

from demijohn.config import kinds
from demijohn.security.csrf import Csrf
from demijohn.security.errors import CsrfOptionError

OURS, THEIRS = "https://example.org", "https://evil.example"
TRUSTED = "https://app.example.net"


class Case(NamedTuple):
    passes: bool
    what: str
    #: Sec-Fetch-Site, Origin, Referer.
    site: str | None = None
    origin: str | None = None
    referer: str | None = None
    #: By what and to whom, as the server has it.
    scheme: str = "https"
    host: str = "example.org"
    #: Whether the visitor has a session, and which token came: `right`, `wrong`.
    session: bool = True
    token: str | None = None
    method: str = "POST"


YES, NO = True, False
CASES = [
    # What every browser says since 2023
    Case(YES, "a page of this site", site="same-origin", origin=OURS),
    Case(YES, "a page of this site, which says no more", site="same-origin"),
    Case(YES, "a page of this site behind a proxy that renames it", site="same-origin", origin=OURS, host="inner:8080"),
    Case(YES, "a page that hides its origin", site="same-origin", origin="null"),
    Case(YES, "a bookmark, or a reload", site="none"),
    Case(NO, "another site", site="cross-site", origin=THEIRS),
    Case(NO, "another site that hides its origin", site="cross-site", origin="null"),
    Case(NO, "another site without Origin", site="cross-site"),
    Case(NO, "another site, with a Referer of ours", site="cross-site", referer=OURS + "/"),
    Case(NO, "another site, with our Origin", site="cross-site", origin=OURS),
    Case(NO, "another site, with a token", site="cross-site", origin=THEIRS, token="right"),
    Case(NO, "another site, without a session", site="cross-site", origin=THEIRS, session=False),
    Case(NO, "a subdomain", site="same-site", origin="https://blog.example.org"),
    Case(NO, "http, for the same host", site="same-site", origin="http://example.org"),
    Case(NO, "a subdomain, with a token", site="same-site", origin="https://blog.example.org", token="right"),
    Case(YES, "a trusted origin", site="cross-site", origin=TRUSTED),
    Case(YES, "a trusted origin of the same site", site="same-site", origin="https://APP.example.net:443"),
    Case(NO, "a trusted host by http", site="cross-site", origin="http://app.example.net"),
    Case(NO, "a trusted host on another port", site="cross-site", origin=TRUSTED + ":8443"),
    Case(NO, "a word that no browser says", site="same-Origin"),
    Case(NO, "two words", site="same-origin, cross-site", origin=THEIRS),
    Case(YES, "an empty word, with our Origin", site="", origin=OURS),
    Case(NO, "an empty word, with another Origin", site="", origin=THEIRS),
    # Browsers before, and all that come over http: Origin
    Case(YES, "our origin", origin=OURS),
    Case(YES, "our origin in capitals", origin="HTTPS://Example.ORG"),
    Case(YES, "our origin with its port", origin=OURS + ":443"),
    Case(YES, "our host with its port", origin=OURS, host="example.org:443"),
    Case(YES, "our host in capitals", origin=OURS, host="EXAMPLE.org"),
    Case(YES, "our origin on a port of its own", origin=OURS + ":8443", host="example.org:8443"),
    Case(YES, "an address", origin="http://127.0.0.1:8080", scheme="http", host="127.0.0.1:8080"),
    Case(YES, "an IPv6 address", origin="http://[::1]:8080", scheme="http", host="[::1]:8080"),
    Case(YES, "http", origin="http://example.org", scheme="http"),
    Case(YES, "http with its port", origin="http://example.org:80", scheme="http"),
    Case(YES, "https, taken off by a proxy that does not say so", origin=OURS, scheme="http"),
    Case(NO, "http to https", origin="http://example.org"),
    Case(NO, "another port", origin=OURS + ":8443"),
    Case(NO, "another port, the other way round", origin=OURS, host="example.org:8443"),
    Case(NO, "another site by Origin", origin=THEIRS),
    Case(NO, "another site by Origin, with a token", origin=THEIRS, token="right"),
    Case(NO, "another site by Origin, without a session", origin=THEIRS, session=False),
    Case(NO, "a subdomain by Origin", origin="https://blog.example.org"),
    Case(NO, "a name that begins as ours", origin="https://example.org.evil.example"),
    Case(NO, "a name that ends as ours", origin="https://evilexample.org"),
    Case(NO, "a name with ours as its user", origin="https://example.org@evil.example"),
    Case(NO, "a hidden origin", origin="null"),
    Case(NO, "a hidden origin with a token", origin="null", token="right"),
    Case(NO, "a hidden origin with our Referer", origin="null", referer=OURS + "/"),
    Case(NO, "two origins", origin=f"{OURS} {OURS}"),
    Case(NO, "an origin with a path", origin=OURS + "/"),
    Case(NO, "no origin at all", origin="example.org"),
    Case(NO, "a backslash", origin="https://example.org\\@evil.example"),
    Case(NO, "a host of rubbish", origin=OURS, host="example.org/../evil"),
    Case(YES, "a trusted origin by Origin", origin=TRUSTED),
    Case(YES, "a trusted app, which has a scheme of its own", origin="capacitor://localhost"),
    Case(NO, "another app", origin="capacitor://elsewhere"),
    Case(YES, "our Origin and another Referer", origin=OURS, referer=THEIRS + "/"),
    # Older ones: Referer
    Case(YES, "our page", referer=OURS + "/notes?page=2#new"),
    Case(YES, "our page with its port", referer=OURS + ":443/"),
    Case(YES, "our page without a path", referer=OURS),
    Case(YES, "our page without a path, with a query", referer=OURS + "?a=1"),
    Case(YES, "our page, https taken off", referer=OURS + "/", scheme="http"),
    Case(YES, "a trusted page", referer=TRUSTED + "/form"),
    Case(NO, "another site's page", referer=THEIRS + "/"),
    Case(NO, "another site's page, with a token", referer=THEIRS + "/", token="right"),
    Case(NO, "another site's page that names us", referer=THEIRS + "/?" + OURS),
    Case(NO, "another site's page that names us behind a #", referer=THEIRS + "#" + OURS),
    Case(NO, "a page by http", referer="http://example.org/"),
    Case(NO, "a page on another port", referer=OURS + ":8443/"),
    Case(NO, "a page whose user is our name", referer="https://example.org@evil.example/"),
    Case(NO, "a Referer that is none", referer="about:client"),
    # Nothing of these: a token, where there is a session
    Case(YES, "a program without a session", session=False),
    Case(YES, "a program with a token and no session", session=False, token="wrong"),
    Case(YES, "a token", token="right"),
    Case(NO, "no token", token=None),
    Case(NO, "the token of somebody else", token="wrong"),
    Case(NO, "empty words and no token", site="", origin="", referer=""),
    Case(YES, "empty words and a token", site="", origin="", referer="", token="right"),
    # Other methods
    *(Case(NO, f"{method} of another site", origin=THEIRS, method=method) for method in ("PUT", "PATCH", "DELETE")),
    Case(NO, "a method of its own", site="cross-site", method="PURGE"),
    Case(NO, "a method in small letters", site="cross-site", method="post"),
    Case(YES, "PUT of this site", site="same-origin", method="PUT"),
    *(
        Case(YES, f"{method} of another site", site="cross-site", method=method)
        for method in ("GET", "HEAD", "OPTIONS")
    ),
]


def bare(**options: Any) -> tuple[bottle.Bottle, Csrf]:
    """A Bottle app with nothing but this part. Whose session it is, the request says by a header of the tests."""
    app = bottle.Bottle()
    csrf: Csrf = app.install(
        Csrf([TRUSTED, "capacitor://localhost/"], session=lambda environ: environ.get("tests.session"), **options)
    )
    app.route("/", method=["ANY", "POST", "PURGE"], callback=lambda: "done")
    return app, csrf


def ask(app: Any, case: Case, token: str | None = None) -> int:
    status: list[int] = []
    environ = {
        "REQUEST_METHOD": case.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "inner",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": case.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "CONTENT_LENGTH": "0",
        "HTTP_HOST": case.host,
        "HTTP_SEC_FETCH_SITE": case.site,
        "HTTP_ORIGIN": case.origin,
        "HTTP_REFERER": case.referer,
        "HTTP_X_CSRF_TOKEN": token,
        "tests.session": "an id" if case.session else None,
    }
    environ = {key: value for key, value in environ.items() if value is not None}
    list(app(environ, lambda line, headers, exc_info=None: status.append(int(line[:3]))))
    return status[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_first_word_decides(case: Case) -> None:
    app, csrf = bare(secrets=["a secret"])
    tokens = {"right": csrf.token({"tests.session": "an id"}), "wrong": csrf.token({"tests.session": "another"})}
    assert ask(app, case, tokens.get(case.token or "")) == (200 if case.passes else 403)


def test_the_table_is_long_enough_and_says_nothing_twice() -> None:
    assert len(CASES) >= 54
    assert len({case._replace(what="") for case in CASES}) == len(CASES)


def test_a_get_is_not_even_wrapped() -> None:
    app, csrf = bare()

    def show() -> str:
        return "shown"

    app.get("/shown", callback=show)
    route = next(route for route in app.routes if route.rule == "/shown")
    assert csrf.apply(show, route) is show


def test_tokens_are_those_of_a_session_and_of_a_secret_that_may_be_the_one_before() -> None:
    _, old = bare(secrets=["first"])
    here = {"tests.session": "an id"}
    token = old.token(here)
    assert re.fullmatch("[A-Za-z0-9_-]{32}", token)
    assert "an id" not in token
    headerless = Case(YES, "")
    rotated, new = bare(secrets=["second", "first"])
    assert ask(rotated, headerless, token) == 200
    assert new.token(here) != token
    assert ask(rotated, headerless, new.token(here)) == 200
    gone, _ = bare(secrets=["second"])
    assert ask(gone, headerless, token) == 403
    assert old.token({}) == ""
    without, none = bare()
    assert none.token(here) == ""
    assert ask(without, headerless, "") == ask(without, headerless, token) == 403


def test_an_option_that_is_neither_true_nor_false_is_an_error() -> None:
    app, _ = bare()
    app.post("/wrong", csrf="off", callback=lambda: "")
    route = next(route for route in app.routes if route.rule == "/wrong")
    with pytest.raises(
        CsrfOptionError, match=r"^The route /wrong has csrf='off'\. It is True, as by default, or False\."
    ):
        route.call  # noqa: B018


@pytest.mark.parametrize("origin", ["example.org", "null", "https://example.org/path", "https://", "https://a@b"])
def test_what_is_no_origin_cannot_be_trusted(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin, such as https://www"):
        Csrf([origin])
    with pytest.raises(ValueError, match=re.escape(f"{origin!r} is none")):
        kinds.origins(origin)
