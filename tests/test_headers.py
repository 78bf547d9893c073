"""The headers that every answer has, and the policy of what a page may load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import Site, config
from demijohn.config import csp
from demijohn.errors import ConfigError
from demijohn.security.csp import DEFAULT, Policy
from demijohn.security.headers import CSP, HSTS, Headers
from demijohn.views import Views
from tests.client import Answer, Client
from tests.settings import problems

SAFETY = {
    CSP: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; media-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SECURE = {**SAFETY, "Cross-Origin-Opener-Policy": "same-origin", HSTS: "max-age=31536000"}
#: What an app without them sends.
PLAIN = {"Content-Type", "Content-Length", "Allow", "Location"}


def safety(answer: Answer) -> dict[str, str]:
    names = [name.lower() for name, _ in answer.headers]
    assert len(names) == len(set(names)), "a header stands twice"
    return {name: value for name, value in answer.headers if name not in PLAIN}


def served(**options: Any) -> tuple[bottle.Bottle, Client]:
    app = bottle.Bottle()
    app.install(Headers(**options))
    return app, Client(app)


@pytest.fixture
def app() -> bottle.Bottle:
    app = bottle.Bottle()
    app.install(Headers())

    @app.get("/page")
    def page() -> str:
        return "page"

    @app.get("/stream")
    def stream() -> Iterator[str]:
        yield "a"
        yield "b"

    @app.get("/raised")
    def raised() -> None:
        raise bottle.HTTPResponse("made", 201)

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    @app.get("/not-modified")
    def not_modified() -> bottle.HTTPResponse:
        return bottle.HTTPResponse("", 304)

    @app.get("/away")
    def away() -> None:
        bottle.redirect("/page")

    @app.get("/file")
    def file() -> Any:
        return bottle.static_file(Path(__file__).name, str(Path(__file__).parent), mimetype="text/plain", etag=False)

    return app


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/page", 200),
        ("HEAD", "/page", 200),
        ("POST", "/page", 405),
        ("OPTIONS", "/page", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/stream", 200),
        ("GET", "/raised", 201),
        ("GET", "/broken", 500),
        ("GET", "/not-modified", 304),
        ("GET", "/away", 303),
        ("GET", "/%FF", 400),
        ("GET", "/file", 200),
    ],
)
def test_every_answer_has_them_once(app: bottle.Bottle, method: str, path: str, status: int) -> None:
    path = path.replace("%FF", "\xff")
    for scheme, expected in (("http", SAFETY), ("https", SECURE)):
        environ: dict[str, Any] = {"wsgi.url_scheme": scheme, "SERVER_PROTOCOL": "HTTP/1.1"}
        answer = Client(app).ask(method, path, b"", **environ)
        assert answer.status == status
        found = safety(answer)
        for name in ("Last-Modified", "Accept-Ranges", "Date"):
            found.pop(name, None)
        assert found == expected


def test_static_files_have_them_too(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "robots.txt").write_text("User-agent: *\n")
    site = Site(tmp_path, {"secret": "a-secret-of-the-tests", "database.url": ""})
    rest = {name: value for name, value in SAFETY.items() if name != CSP}
    for path, status in (("/static/robots.txt", 200), ("/static/none.css", 404), ("/_health/live", 200)):
        answer = Client(site).get(path)
        assert answer.status == status
        assert rest.items() <= dict(answer.headers).items(), path
        assert (answer.header(CSP) or "").startswith("default-src 'none'; "), "an error page has one of its own"


@pytest.mark.parametrize("name", [CSP, HSTS, "X-Frame-Options", "x-frame-options", "Referrer-Policy"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_handler_sets_itself_is_left(name: str, scheme: str) -> None:
    app, client = served()

    @app.get("/")
    def page() -> str:
        bottle.response.set_header(name, "mine")
        return "page"

    found = safety(client.get("/", **{"wsgi.url_scheme": scheme}))
    mine = {key: value for key, value in found.items() if key.lower() == name.lower()}
    assert list(mine.values()) == ["mine"]
    rest = {
        key: value for key, value in (SECURE if scheme == "https" else SAFETY).items() if key.lower() != name.lower()
    }
    assert {key: value for key, value in found.items() if key not in mine} == rest


def test_a_policy_of_a_route_s_own() -> None:
    app, client = served(csp={"img-src": "https://images.example.org"})

    @app.get("/site")
    def site() -> str:
        return ""

    @app.get("/map", csp={"script-src": ["https://maps.example.org", "'unsafe-eval'"], "frame-ancestors": "self"})
    def map_() -> str:
        return ""

    @app.get("/written", csp="worker-src blob:; form-action off")
    def written() -> str:
        return ""

    @app.get("/none", csp=False)
    def none() -> str:
        return ""

    def policy(path: str) -> str:
        return client.get(path).header(CSP) or ""

    assert "img-src 'self' data: https://images.example.org;" in policy("/site")
    assert "script-src 'self' https://maps.example.org 'unsafe-eval';" in policy("/map")
    assert policy("/map").endswith("frame-ancestors 'self'")
    assert "img-src 'self' data: https://images.example.org;" in policy("/map")
    assert "worker-src blob:" in policy("/written")
    assert "form-action" not in policy("/written")
    none_ = safety(client.get("/none"))
    assert none_ == {name: value for name, value in SAFETY.items() if name != CSP}
    assert "script-src 'self';" in policy("/site"), "what a route says is for the route alone"


def test_a_route_s_policy_holds_where_it_is_mounted_and_merged(tmp_path: Path) -> None:
    """The app of a module of its own has the policy of the site, and its routes may add to it."""
    settings = {"secret": "a-secret-of-the-tests", "database.url": "", "security.csp": "font-src data:"}
    site = Site(tmp_path, settings)
    mounted, merged = bottle.Bottle(), bottle.Bottle()
    for maps in (mounted, merged):
        maps.get("/map", callback=lambda: "", csp={"img-src": "https://maps.example.org"})
    site.mount("/mounted/", mounted)
    with pytest.warns(DeprecationWarning, match="Falling back to WSGI mount"):
        site.mount("/again/", mounted)
    site.merge(merged)
    for path in ("/map", "/mounted/map", "/again/map"):
        answer = Client(site).get(path)
        policy = safety(answer)[CSP]
        assert "img-src 'self' data: https://maps.example.org;" in policy, path
        assert "font-src 'self' data:;" in policy, path
    assert "maps.example.org" not in (Client(site).get("/nothing").header(CSP) or "")


def test_a_mistake_on_a_route_is_told_with_the_route() -> None:
    app, client = served()
    app.route("/map", callback=lambda: "", csp={"script_src": "x"})
    app.catchall = False
    with pytest.raises(
        ValueError, match=r"csp of the route /map: there is no directive script_src; did you mean script-src\?"
    ):
        client.get("/map")


@pytest.fixture
def pages(tmp_path: Path) -> Client:
    (tmp_path / "plain.html").write_text("<p>plain")
    (tmp_path / "base.html").write_text("{% block content %}{% endblock %}")
    text = "{% extends 'base.html' %}{% block content %}"
    text += "<script nonce='{{ nonce }}'>1</script><style nonce={{ nonce }}>{% endblock %}"
    (tmp_path / "noncing.html").write_text(text)
    app = bottle.Bottle()
    headers = app.install(Headers())
    views = app.install(Views(tmp_path, reach={"nonce": headers.nonce}))
    app.route("/plain", callback=lambda: views.render("plain"))
    app.route("/noncing", callback=lambda: views.render("noncing"))
    app.route("/own", callback=lambda: views.render("noncing"), csp={"script-src": "'none'"})
    app.route("/off", callback=lambda: views.render("noncing"), csp=False)

    @app.get("/kept")
    def kept() -> str:
        bottle.response.set_header("Cache-Control", "public, max-age=600")
        bottle.response.set_header("ETag", '"1"')
        return str(views.render("noncing"))

    @app.get("/whole")
    def whole() -> str:
        bottle.response.set_header(CSP, "script-src 'self'")
        return str(views.render("noncing"))

    return Client(app)


def test_a_nonce_is_in_the_policy_of_the_page_that_asks_for_it(pages: Client) -> None:
    answer = pages.get("/noncing")
    nonce = answer.text.partition("nonce='")[2].partition("'")[0]
    assert len(nonce) >= 22
    assert answer.text.count(nonce) == 2, "one nonce a page"
    for directive in ("script-src", "style-src"):
        assert f"{directive} 'self' 'nonce-{nonce}';" in (answer.header(CSP) or "")
    assert answer.header("Cache-Control") == "no-store"
    assert nonce not in str(pages.get("/noncing").headers), "the next page has another"
    plain = pages.get("/plain")
    assert plain.header(CSP) == SAFETY[CSP]
    assert plain.header("Cache-Control") is None


def test_a_page_with_a_nonce_is_kept_nowhere(pages: Client) -> None:
    answer = pages.get("/kept")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("ETag") is None
    assert "nonce-" in (answer.header(CSP) or "")


def test_a_nonce_beside_other_policies(pages: Client) -> None:
    assert "script-src 'nonce-" in (pages.get("/own").header(CSP) or "")
    assert pages.get("/off").header(CSP) is None
    assert pages.get("/whole").header(CSP) == "script-src 'self'"


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"csp": False}, {CSP: None}),
        ({"csp": "off"}, {CSP: None}),
        ({"csp": {"frame-ancestors": "self"}}, {"X-Frame-Options": "SAMEORIGIN"}),
        ({"csp": {"frame-ancestors": "https://portal.example"}}, {"X-Frame-Options": None}),
        ({"headers": {"x-frame-options": None}}, {"X-Frame-Options": None}),
        (
            {"headers": {"Cross-Origin-Resource-Policy": "cross-origin"}},
            {"Cross-Origin-Resource-Policy": "cross-origin"},
        ),
        ({"headers": {"Permissions-Policy": "camera=()"}}, {"Permissions-Policy": "camera=()"}),
        ({"hsts": 0}, {HSTS: None}),
        ({"hsts": 600, "subdomains": True}, {HSTS: "max-age=600; includeSubDomains"}),
        ({"headers": False}, dict.fromkeys(sorted(SECURE.keys() - {CSP, HSTS}))),
    ],
    ids=str,
)
def test_each_can_be_left_out_by_a_word(options: dict[str, Any], changed: dict[str, str | None]) -> None:
    _, client = served(**options)
    found = safety(client.get("/", **{"wsgi.url_scheme": "https"}))
    expected = {name: value for name, value in {**SECURE, **changed}.items() if value is not None}
    if "frame-ancestors" in str(options):
        expected[CSP] = found[CSP]
    assert found == expected


SETTINGS = """
demijohn:
  security:
    csp:
      img-src: 'self' https://images.example.org
      script-src: ['https://cdn.example.org', "'wasm-unsafe-eval'"]
      style-src: unsafe-inline
      upgrade-insecure-requests:
      font-src: off
    hsts: off
    headers:
      X-Frame-Options: off
      Permissions-Policy: camera=()
"""


def test_the_settings_in_a_file(tmp_path: Path) -> None:
    text = SETTINGS.replace("img-src: 'self' https", "img-src: \"'self' https").replace(
        "example.org\n      script", 'example.org"\n      script'
    )
    text = text.replace("upgrade-insecure-requests:", "upgrade-insecure-requests: on")
    (tmp_path / "config.yaml").write_text(text)
    site = Site(tmp_path, {"secret": "a-secret-of-the-tests", "database.url": ""})
    found = safety(Client(site).get("/_health/live", **{"wsgi.url_scheme": "https"}))
    policy = dict(part.strip().partition(" ")[::2] for part in found[CSP].split(";"))
    assert policy["img-src"] == "'self' data: https://images.example.org"
    assert policy["script-src"] == "'self' https://cdn.example.org 'wasm-unsafe-eval'"
    assert policy["style-src"] == "'self' 'unsafe-inline'"
    assert policy["upgrade-insecure-requests"] == ""
    assert "font-src" not in policy
    assert HSTS not in found
    assert "X-Frame-Options" not in found
    assert found["Permissions-Policy"] == "camera=()"


@pytest.mark.parametrize(
    ("variable", "value", "setting", "expected"),
    [
        (
            "DEMIJOHN_SECURITY_CSP",
            "img-src https://a.example; font-src data:",
            "security.csp",
            "img-src https://a.example; font-src data:",
        ),
        ("DEMIJOHN_SECURITY_CSP", "off", "security.csp", "off"),
        ("DEMIJOHN_SECURITY_HEADERS", "off", "security.headers", False),
        ("DEMIJOHN_SECURITY_HEADERS", "X-A: b", "security.headers", ("X-A: b",)),
        ("DEMIJOHN_SECURITY_HSTS", "off", "security.hsts", 0),
        ("DEMIJOHN_SECURITY_HSTS", "30d", "security.hsts", 30 * 86400),
        (
            "DEMIJOHN_SECURITY_HOSTS",
            "example.org, .EXAMPLE.net:81",
            "security.hosts",
            ("example.org", ".example.net:81"),
        ),
        ("DEMIJOHN_PROXIES_TRUSTED", "10.0.0.0/8 unix ::1", "proxies.trusted", ("10.0.0.0/8", "unix", "::1/128")),
    ],
)
def test_the_settings_in_variables(tmp_path: Path, variable: str, value: str, setting: str, expected: object) -> None:
    read = config.load(tmp_path, None, {"SECRET_KEY": "a-secret-of-the-tests", variable: value})
    assert read[setting] == expected


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("security.csp", {"image-src": "x"}, "there is no directive image-src; did you mean img-src?"),
        ("security.csp", {"img-src": "a;b"}, "'a;b' is no source"),
        ("security.csp", {"img-src": "a,b"}, "'a,b' is no source"),
        ("security.csp", {"img-src": "caf\xe9"}, "is no source"),
        ("security.csp", 7, "must be directives with their sources"),
        ("security.headers", {"X Y": "z"}, "'X Y' is no name of a header"),
        ("security.headers", {"X-Y": "a\r\nSet-Cookie: b"}, "X-Y must hold plain characters on one line"),
        ("security.headers", {"content-security-policy": "x"}, "is set by security.csp and security.hsts"),
        ("security.hsts", "soon", "must be a number of seconds such as 31536000 or 365d, or off"),
        ("security.hosts", "https://example.org", "must be a list of names"),
        ("security.https", "maybe", "must be true, false or auto"),
        ("proxies.trusted", "10.0.0.1/8", "has host bits set"),
        ("proxies.trusted", "everybody", "must be a list of networks"),
        ("proxies.client", "X Forwarded", "must be the name of a header"),
    ],
)
def test_mistakes_in_the_settings(tmp_path: Path, setting: str, value: object, message: str) -> None:
    (found,) = problems(tmp_path, "", {setting: value, "database.url": ""})
    assert message in found


@pytest.mark.parametrize("text", ["", "off", "img-src https://a.example 'self'; sandbox"])
def test_a_policy_is_read_as_it_is_written(text: str) -> None:
    assert csp.written(csp.read(text)) == text


def test_a_policy_cannot_be_broken_out_of() -> None:
    with pytest.raises(ValueError, match="no source"):
        Policy(DEFAULT).extended({"img-src": ["x;", "script-src", "*"]})
    with pytest.raises(ConfigError):
        config.load("/", {"security.csp": {"img-src": "x\r\ny;"}}, {"SECRET_KEY": "a-secret-of-the-tests"})
