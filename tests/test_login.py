"""Pages for those who are signed in, and where visitors are sent."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bottle
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import Site
from demijohn.errors import StoreUnavailableError
from demijohn.security import Login, login_required, redirect_back, safe_path
from demijohn.security.errors import LoginAddressError, NoLoginError
from demijohn.sessions import Sessions
from tests.chromium import chromium
from tests.client import Answer, Client
from tests.sites import ROOT
from tests.test_passwords import RFC_7914 as OLD

#: What a visitor may be sent to, and how it is written.
OURS = {
    "/": "/",
    "/notes": "/notes",
    "/notes?page=2&q=a%20b#new": "/notes?page=2&q=a%20b#new",
    "/?next=https://evil.example/": "/?next=https://evil.example/",
    "/#//evil.example": "/#//evil.example",
    "/@evil.example": "/@evil.example",
    "/user:pass@evil.example": "/user:pass@evil.example",
    "/javascript:alert(1)": "/javascript:alert(1)",
    "/https:evil.example": "/https:evil.example",
    "/..": "/..",
    "/a/../b": "/a/../b",
    "/%5B": "/%5B",
    "/a%0d%0aSet-Cookie:x=y": "/a%0d%0aSet-Cookie:x=y",
    "/a/%2f/evil.example": "/a/%2f/evil.example",
    "/café?q=ü": "/caf%C3%A9?q=%C3%BC",
    "/\uff0fevil.example": "/%EF%BC%8Fevil.example",
    "/\u3002evil.example": "/%E3%80%82evil.example",
    "/\xa0": "/%C2%A0",
    "/\u2028": "/%E2%80%A8",
    "/\x85": "/%C2%85",
    "/" + "a" * 1999: "/" + "a" * 1999,
}
#: What browsers, or the programs on the way, may take for another site, or for no address at all.
THEIRS = [
    "",
    None,
    "notes",
    "?page=2",
    "#new",
    "https://evil.example",
    "http:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "mailto:a@evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example@example.org",
    "//example.org@evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "\\evil.example",
    "/a\\b",
    "/.\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    " /notes",
    "/notes ",
    "/a b",
    "\x00//evil.example",
    "/\x00/evil.example",
    "/\x0b/evil.example",
    "/\x7f/evil.example",
    "/\x1b[0m",
    "/a\r\nSet-Cookie: x=y",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    "/%2e%2e//evil.example",
    "/a//evil.example",
    "/%2fevil.example",
    "/%2F/evil.example",
    "/%5cevil.example",
    "/%5C%5Cevil.example",
    "%2F%2Fevil.example",
    "%09//evil.example",
    "@evil.example",
    ".evil.example",
    "*",
    "\uff0f\uff0fevil.example",
    "/half \ud83c",
    "/\ud83c",
    "/" + "a" * 2000,
    "/?" + "é" * 10_000,
]


@pytest.mark.parametrize("path", OURS)
def test_paths_of_this_site_are_kept(path: str) -> None:
    assert safe_path(path) == OURS[path]


@pytest.mark.parametrize("path", THEIRS)
def test_all_else_is_not(path: str | None) -> None:
    assert safe_path(path) == "/"
    assert safe_path(path, "/home") == "/home"


@given(st.text(st.sampled_from("/\\ab.:@%2f5ce?#\t\n\r \0é-")))
def test_nothing_that_is_kept_leads_away(text: str) -> None:
    kept = safe_path("/" + text, "")
    parts = urlsplit(kept)
    assert (parts.scheme, parts.netloc) == ("", "")
    assert kept == "" or (kept.isascii() and kept.isprintable() and kept[0] == "/" and kept[1:2] not in ("/", "\\"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def test_a_browser_stays_at_home(browser: Any) -> None:
    """What Chromium makes of each: all that is kept is on this host, and a third of the rest is not."""
    page = browser.new_page()
    hosts = "paths.map(path => { try { return new URL(path, 'https://example.org/x/').host } catch { return '' } })"
    script = f"paths => {hosts}"
    kept = [safe_path(path) for path in [*OURS, *THEIRS]]
    assert set(page.evaluate(script, kept)) == {"example.org"}
    refused = [path for path in THEIRS if path and path.isascii()]
    away = [host for host in page.evaluate(script, refused) if host == "evil.example"]
    assert len(away) >= 15, "the table would prove nothing"


# Who must sign in


@pytest.fixture
def site(tmp_path: Path) -> Site:
    settings = {"environment": "production", "secret": "a-secret-of-the-tests", "database.url": ""}
    site = Site(tmp_path, {**settings, "session.type": "memory"})

    @site.get("/account")
    @login_required
    def account(session: Any) -> str:
        return f"account of {session.user}"

    @site.get("/account/<name:path>")
    @login_required
    def part(name: str) -> str:
        return f"part {name}"

    @site.post("/account")
    @login_required
    def change() -> str:
        return "changed"

    @login_required
    @site.get("/upside-down")
    def upside_down() -> str:
        return "upside down"

    site.get("/sign-in", name="sign-in", callback=lambda: "please sign in")
    site.post("/sign-in", callback=lambda session: (session.login("anna"), redirect_back("/account")))
    return site


def led(answer: Answer) -> tuple[str, dict[str, list[str]]]:
    assert answer.status in (302, 303)
    parts = urlsplit(answer.header("Location") or "")
    assert (parts.scheme, parts.netloc) == ("http", "127.0.0.1")
    return parts.path, parse_qs(parts.query)


def test_a_page_leads_to_the_sign_in_and_back(site: Site) -> None:
    client = Client(site)
    assert led(client.get("/account?tab=2&q=a%20b")) == ("/sign-in", {"next": ["/account?tab=2&q=a%20b"]})
    _, query = led(client.get("/account/b\xc3\xbccher/x y"))
    assert query == {"next": ["/account/b%C3%BCcher/x%20y"]}
    assert led(client.ask("HEAD", "/account"))[0] == "/sign-in"
    back = client.post("/sign-in", {"next": query["next"][0]})
    assert led(back) == ("/account/b%C3%BCcher/x%20y", {})
    assert client.get("/account").text == "account of anna"
    assert client.post("/account").text == "changed"
    assert client.get("/upside-down").text == "upside down"


def test_the_way_back_leads_nowhere_else(site: Site) -> None:
    client = Client(site)
    assert led(client.get("/account/a//evil.example")) == ("/sign-in", {"next": ["/account/a/evil.example"]})
    assert led(client.get("/account?a=\\b"))[1] == {}
    assert led(client.post("/sign-in", {"next": "//evil.example"})) == ("/account", {})
    assert led(client.post("/sign-in?next=/account/x")) == ("/account/x", {})
    assert led(client.post("/sign-in?next=https://evil.example")) == ("/account", {})


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_ACCEPT": "application/json"},
        {"HTTP_ACCEPT": "*/*", "HTTP_SEC_FETCH_MODE": "cors"},
        {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"},
    ],
)
def test_programs_and_scripts_are_told_so(site: Site, environ: dict[str, str]) -> None:
    answer = Client(site).get("/account", **environ)
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Cookie form-action="/sign-in"'
    assert "Please sign in, then do this again." in answer.text


def test_a_form_is_not_led_away_from_what_was_typed(site: Site) -> None:
    answer = Client(site).post("/account", {"text": "long"}, HTTP_ACCEPT="text/html")
    assert answer.status == 401
    assert "<title>" in answer.text


def test_decorators_the_wrong_way_round_guard_as_well(site: Site) -> None:
    assert led(Client(site).get("/upside-down"))[0] == "/sign-in"


def test_while_the_sessions_cannot_be_read_nobody_is_told_that_they_are_not_signed_in(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(site)
    client.post("/sign-in")

    def read(*_args: Any) -> None:
        raise StoreUnavailableError("memory")

    monkeypatch.setattr(site.sessions.store, "read", read)
    answer = client.get("/account")
    assert answer.status == 503
    assert "It cannot be told right now whether you are signed in" in answer.text
    assert led(Client(site).get("/account"))[0] == "/sign-in", "who has no cookie has no session"


def test_in_a_mounted_app_the_way_leads_to_the_site_s_page(site: Site) -> None:
    inner = bottle.Bottle()
    inner.get("/page", callback=login_required(lambda: "inner"))
    site.mount("/inner/", inner)
    assert led(Client(site).get("/inner/page")) == ("/sign-in", {"next": ["/inner/page"]})


def test_the_page_may_be_a_path(tmp_path: Path) -> None:
    settings = {"environment": "development", "database.url": "", "security.login": "/login"}
    site = Site(tmp_path, settings)
    site.get("/x", callback=login_required(lambda: "x"))
    assert led(Client(site).get("/x")) == ("/login", {"next": ["/x"]})
    assert site.login.url() == "/login"


def test_a_plain_app_with_sessions_can_have_it() -> None:
    app = bottle.Bottle()
    app.install(Sessions({"secret": "x" * 16}))
    app.install(Login("/enter"))
    app.get("/x", callback=login_required(lambda: "x"))
    app.get("/enter", callback=lambda session: session.login(7))
    client = Client(app)
    assert led(client.get("/x")) == ("/enter", {"next": ["/x"]})
    client.get("/enter")
    assert client.get("/x").text == "x"


def test_without_the_part_nobody_gets_in() -> None:
    app = bottle.Bottle()
    app.catchall = False
    app.get("/x", callback=login_required(lambda: "x"))
    with pytest.raises(NoLoginError, match=r"app\.install\(demijohn\.security\.Login\('/sign-in'\)\)"):
        Client(app).get("/x")


def test_a_page_for_signing_in_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, {"environment": "development", "database.url": ""})
    site.catchall = False
    site.get("/x", callback=login_required(lambda: "x"))
    with pytest.raises(LoginAddressError, match=r"named 'sign-in', and there is none\. Give the page for signing in"):
        Client(site).get("/x")


def test_back_from_a_form_that_was_streamed(site: Site) -> None:
    @site.post("/upload")
    def upload() -> None:
        for _ in bottle.request.parts():
            pass
        redirect_back("/uploads")

    form = b'--b\r\nContent-Disposition: form-data; name="next"\r\n\r\n/notes\r\n--b--\r\n'
    kind = {"CONTENT_TYPE": "multipart/form-data; boundary=b"}
    assert led(Client(site).ask("POST", "/upload", form, **kind))[0] == "/uploads"
    assert led(Client(site).ask("POST", "/upload?next=/notes", form, **kind))[0] == "/notes"


def test_back_without_a_word_is_the_default(site: Site) -> None:
    site.get("/back", callback=lambda: redirect_back("/home"))
    assert led(Client(site).get("/back")) == ("/home", {})
    assert led(Client(site).get("/back?next=%2Fa%3Fb")) == ("/a", {})


# What the guide says


def guide(*words: str) -> str:
    """The example in docs/security.md that holds all these words."""
    text = (ROOT / "docs" / "security.md").read_text()
    (found,) = [block for block in re.findall("```python\n(.*?)```", text, re.DOTALL) if all(w in block for w in words)]
    return str(found)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Site, dict[str, Any]]]:
    """A site with a user called anna, and what its module would name."""
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "sign-in.html").write_text("{{ error }}")
    settings = {"environment": "development", "database.url": f"sqlite:///{tmp_path / 'guide.sqlite'}"}
    site = Site(tmp_path, {**settings, "app.payment_key": "a key"})

    class User(site.db.Model):  # type: ignore[name-defined]
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        key: Mapped[str]
        password: Mapped[str]

    site.create_tables()
    with site.db.unit() as db:
        db.add(User(key="anna", password=OLD))
    names = {"request": bottle.request, "select": sqlalchemy.select, "login_required": login_required}
    yield site, {"site": site, "User": User, **names}
    site.db.close()


def test_the_guide_s_sign_in(shop: tuple[Site, dict[str, Any]]) -> None:
    site, names = shop
    exec(guide("def sign_in("), names)  # noqa: S102
    client, here = Client(site), {"REMOTE_ADDR": "203.0.113.7"}
    wrong = client.post("/sign-in", {"name": "Anna", "password": "no"}, **here)
    assert (wrong.status, wrong.text) == (403, "This name and this password do not belong together.")
    right = {"name": "Anna", "password": "pleaseletmein", "next": "/account"}
    assert led(client.post("/sign-in", right, **here))[0] == "/account"
    with site.db.unit() as db:
        assert str(db.scalar(sqlalchemy.select(names["User"].password))).startswith("$argon2id$")
    assert led(client.post("/sign-in", right, **here))[0] == "/account"
    assert [client.post("/sign-in", {"name": "anna"}, **here).status for _ in range(7)] == [*[403] * 6, 429]


def test_the_guide_s_other_routes(shop: tuple[Site, dict[str, Any]]) -> None:
    site, names = shop
    for word in ("def paid(", "def search("):
        exec(guide(word), names)  # noqa: S102
    client = Client(site)
    body, signature = b"paid", hmac.new(b"a key", b"paid", "sha256").hexdigest()
    foreign = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://pay.example"}
    assert client.ask("POST", "/paid", body, HTTP_X_SIGNATURE=signature, **foreign).status == 200
    assert client.ask("POST", "/paid", body, **foreign).status == 403
    statuses = [client.post("/search", REMOTE_ADDR="203.0.113.7").status for _ in range(21)]
    assert statuses[0] == 200
    assert 429 in statuses  # of 21, more than ten are in one minute


def test_the_guide_s_plain_app() -> None:
    names: dict[str, Any] = {"SECRET": "x" * 16}
    exec(guide("Csrf([", "Login("), names)  # noqa: S102
    app = names["app"]
    app.post("/", callback=lambda: "done")
    assert Client(app).post("/").text == "done"
    assert Client(app).post("/", HTTP_SEC_FETCH_SITE="cross-site").status == 403
