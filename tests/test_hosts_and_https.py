"""Under which names a site is served, and who is sent to https."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import Site, config, hosts
from demijohn.security.hosts import Hosts, is_host
from demijohn.security.https import Https
from demijohn.security.proxies import Proxies
from tests.client import Answer, Client

SECRET = "a-secret-of-the-tests"


def site(root: Path, **settings: Any) -> Client:
    app = Site(root, {"secret": SECRET, "database.url": "", **settings})
    app.get("/url", callback=lambda: bottle.request.url)
    app.route("/away", method=["GET", "POST"], callback=lambda: bottle.redirect("/url"))
    return Client(app)


# Hosts


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "EXAMPLE.org",
        "example.org:8080",
        "localhost",
        "127.0.0.1:8000",
        "[::1]",
        "[2001:db8::1]:443",
        "a_b-c.d",
        "example.org.",
        "xn--caf-dma.example",
    ],
)
def test_a_host(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "a b",
        "a/b",
        "a@b",
        "user:pw@example.org",
        "example.org:",
        "example.org:x",
        "example.org:99999",
        "example.org:80:80",
        ".example.org",
        "a..b",
        "[::1",
        "::1",
        "[x]",
        "a\\b",
        "a?b",
        "a#b",
        "a,b",
        "caf\xe9.example",
        "%61.example",
        "a\tb",
        "<b>",
        "a'b",
        'a"b',
        "x" * 300,
    ],
)
def test_what_is_no_host_is_refused(host: str, tmp_path: Path) -> None:
    assert not is_host(host)
    answer = site(tmp_path).get("/url", HTTP_HOST=host)
    assert answer.status == 400
    assert "does not hold the name of a site" in answer.text


def test_without_settings_any_name_is_served(tmp_path: Path) -> None:
    client = site(tmp_path)
    for name in ("example.org", "site-1234.herokuapp.com", "127.0.0.1:80"):
        assert client.get("/url", HTTP_HOST=name).text == f"http://{name}/url"


NAMES = "example.org, .example.net, shop.example:8080, [::1]"


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("example.org", True),
        ("Example.ORG", True),
        ("example.org.", True),
        ("example.org:8080", True),
        ("www.example.org", False),
        ("evil-example.org", False),
        ("example.org.evil.example", False),
        ("example.net", True),
        ("a.b.example.net:81", True),
        ("evilexample.net", False),
        ("shop.example:8080", True),
        ("shop.example", False),
        ("shop.example:81", False),
        ("[::1]:8000", True),
        ("evil.example", False),
    ],
)
def test_only_the_site_s_names_are_served(host: str, served: bool, tmp_path: Path) -> None:
    client = site(tmp_path, **{"security.hosts": NAMES})
    for _ in range(2):
        answer = client.get("/away", HTTP_HOST=host)
        assert answer.status == (302 if served else 421)
    assert served or "There is no site called" in answer.text
    assert served or answer.header("Location") is None


def test_one_who_knows_the_address_alone_is_heard(tmp_path: Path) -> None:
    client = site(tmp_path, **{"security.hosts": NAMES})
    assert client.get("/_health/live", HTTP_HOST="10.1.2.3:8000").status == 200
    assert client.get("/.well-known/acme-challenge/x", HTTP_HOST="10.1.2.3").status == 404
    assert client.get("/url", HTTP_HOST="10.1.2.3").status == 421


def test_in_development_this_machine_is_served_whatever_the_names(tmp_path: Path) -> None:
    client = site(tmp_path, environment="development", **{"security.hosts": NAMES})
    for host in ("localhost:8080", "192.168.178.20:8080", "[fd00::1]:8080"):  # a phone knows no name of this machine
        assert client.get("/url", HTTP_HOST=host).status == 200
    for host in ("evil.example", "192.168.178.20.evil.example:8080"):
        assert client.get("/url", HTTP_HOST=host).status == 421


def test_in_development_no_page_of_another_site_can_read_this_one_by_a_name_of_its_own(tmp_path: Path) -> None:
    client = site(tmp_path, environment="development")
    for host in ("localhost:8080", "shop.localhost:8080", "127.0.0.1", "[::1]:8080", "192.168.178.20:8080"):
        assert client.get("/url", HTTP_HOST=host).status == 200
    for host in ("evil.example:8080", "localhost.evil.example"):
        answer = client.get("/url", HTTP_HOST=host)
        assert answer.status == 421
        assert "It is served under localhost, addresses and the names in security.hosts." in answer.text


def test_a_rehearsal_visits_this_machine(tmp_path: Path) -> None:
    environ = {"SECRET_KEY": SECRET, "DEMIJOHN_HOST": "heroku", "DATABASE_URL": "postgres://u@h/d"}
    environ["DEMIJOHN_SECURITY_HOSTS"] = "example.org"
    assert config.load(tmp_path, None, environ)["security.hosts"] == ("example.org",)
    assert config.load(tmp_path, None, environ)["security.https"] is True
    rehearsed = config.load(tmp_path, None, {**environ, "DEMIJOHN_REHEARSAL": "1"})
    assert rehearsed["security.hosts"] == ("example.org", "localhost", "127.0.0.1", "[::1]")
    assert rehearsed["security.https"] is False


def test_a_request_without_a_host() -> None:
    for protocol, expected in (("HTTP/1.1", 400), ("HTTP/1.0", None)):
        environ = {"SERVER_PROTOCOL": protocol, "PATH_INFO": "/"}
        if expected is None:
            Hosts(["example.org"]).open(environ)
        else:
            with pytest.raises(bottle.HTTPError) as refused:
                Hosts().open(environ)
            assert refused.value.status_code == expected


def test_what_is_remembered_is_bounded() -> None:
    part = Hosts()
    for number in range(3000):
        part.open({"HTTP_HOST": f"a{number}.example", "PATH_INFO": "/"})
    assert len(part._good) == 1024


# https


@pytest.mark.parametrize("name", hosts.MARKS)
def test_where_everybody_is_sent_to_https(name: str, tmp_path: Path) -> None:
    """In production, where each site has a certificate and the router says over what a visitor came."""
    environ = {"SECRET_KEY": SECRET, "DEMIJOHN_HOST": name, "DATABASE_URL": "postgres://u@h/d"}
    expected = name in ("heroku", "gae", "cloudrun", "fly", "render", "railway")
    assert config.load(tmp_path, None, environ)["security.https"] is expected
    for variable, value in (("DEMIJOHN_ENV", "development"), ("DEMIJOHN_SECURITY_HTTPS", "off")):
        assert config.load(tmp_path, None, {**environ, variable: value})["security.https"] is False
    assert config.load(tmp_path, None, {**environ, "DEMIJOHN_SECURITY_HTTPS": "on"})["security.https"] is True


@pytest.fixture
def behind(tmp_path: Path) -> Client:
    return site(tmp_path, **{"security.https": True, "proxies.hops": 1})


def via(client: Client, path: str = "/url", method: str = "GET", **environ: Any) -> Answer:
    return client.ask(method, path, b"", **{"HTTP_HOST": "example.org", "SERVER_PROTOCOL": "HTTP/1.1", **environ})


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("DELETE", 308)]
)
def test_from_http_to_https(behind: Client, method: str, status: int) -> None:
    answer = via(behind, "/url?a=1&b=c%20d", method, HTTP_X_FORWARDED_PROTO="http", HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert answer.status == status
    assert answer.header("Location") == "https://example.org/url?a=1&b=c%20d"
    assert answer.header("Strict-Transport-Security") is None
    assert answer.body == b""


def test_who_is_there_stays(behind: Client) -> None:
    answer = via(behind, HTTP_X_FORWARDED_PROTO="https")
    assert (answer.status, answer.text) == (200, "https://example.org/url")
    assert answer.header("Strict-Transport-Security") == "max-age=31536000"


@pytest.mark.parametrize(
    "environ",
    [
        {},  # whoever asks past the proxies: a probe of the host's own
        {"HTTP_X_FORWARDED_PROTO": "https, http"},  # a proxy further out has spoken https
        {"HTTP_X_FORWARDED_PROTO": "ftp"},
        {"HTTP_X_FORWARDED_PROTO": "http", "HTTP_CF_VISITOR": '{"scheme":"https"}'},
        {"HTTP_X_FORWARDED_PROTO": "http", "PATH_INFO": "/_health/live"},
        {"HTTP_X_FORWARDED_PROTO": "http", "PATH_INFO": "/.well-known/acme-challenge/token"},
    ],
    ids=str,
)
def test_it_never_goes_round_in_circles(behind: Client, environ: dict[str, str]) -> None:
    assert via(behind, **environ).status in (200, 404)


def test_behind_an_unknown_proxy_nobody_is_redirected(tmp_path: Path) -> None:
    client = site(tmp_path, **{"security.https": True, "proxies.hops": 0})
    assert via(client).status == 200
    assert via(client, HTTP_X_FORWARDED_PROTO="http").status == 200
    assert via(client, REQUEST_SCHEME="http").status == 301, "nginx and Apache say it themselves"
    told = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    assert via(client, REQUEST_SCHEME="http", **told).status == 200, "a balancer before nginx has the certificate"
    assert via(client, REQUEST_SCHEME="https", **{"wsgi.url_scheme": "https"}).status == 200


@pytest.mark.parametrize(
    ("path", "query", "host", "expected"),
    [
        ("/a b/\xc3\xa9", "", "example.org", "https://example.org/a%20b/%C3%A9"),
        ("//evil.example/", "", "example.org", "https://example.org//evil.example/"),
        ("/a?b#c%", "", "example.org", "https://example.org/a%3Fb%23c%25"),
        ("/", "q=\xe9\r\nX: y", "example.org", "https://example.org/?q=%E9%0D%0AX:%20y"),
        ("/", "", "example.org:8080", "https://example.org/"),
        ("/", "", "[2001:db8::1]:80", "https://[2001:db8::1]/"),
        ("/", "", "[2001:db8::1]", "https://[2001:db8::1]/"),
        ("", "", "example.org", "https://example.org/"),
    ],
)
def test_the_address_is_the_same(path: str, query: str, host: str, expected: str) -> None:
    environ = {"wsgi.url_scheme": "http", "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query}
    with pytest.raises(bottle.HTTPResponse) as answer:
        Https().open({**environ, "HTTP_HOST": host, "REQUEST_SCHEME": "http"})
    assert answer.value.get_header("Location") == expected


def test_the_parts_work_in_any_bottle_app() -> None:
    app = bottle.Bottle()
    for part in (Proxies(hops=1), Hosts(["example.org"]), Https()):
        app.install(part)
    app.get("/url", callback=lambda: bottle.request.url)
    client = Client(app)
    assert via(client, HTTP_X_FORWARDED_PROTO="http").status == 301
    assert via(client, HTTP_X_FORWARDED_PROTO="https").text == "https://example.org/url"
    assert via(client, HTTP_HOST="evil.example", HTTP_X_FORWARDED_PROTO="http").status == 421


def test_the_session_s_cookie_follows_the_true_scheme(tmp_path: Path) -> None:
    app = Site(tmp_path, {"secret": SECRET, "database.url": "", "session.type": "memory", "proxies.hops": 1})

    @app.get("/")
    def count(session: Any) -> str:
        session["n"] = 1
        return ""

    def cookie(**environ: str) -> str:
        return Client(app).get("/", **environ).header("Set-Cookie") or ""

    assert cookie(HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_FOR="203.0.113.9").endswith("; Secure")
    assert not cookie(HTTP_X_FORWARDED_PROTO="http", HTTP_X_FORWARDED_FOR="203.0.113.9").endswith("; Secure")
    assert not cookie(**{"HTTP_X_FORWARDED_SSL": "on", "wsgi.url_scheme": "https"}).endswith("; Secure")
