"""A site whose forms nobody else can send: in its pages, in its mounted apps, and with bodies that are streamed."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import Site
from demijohn.errors import ConfigError
from demijohn.security.errors import CsrfRefusedError
from tests.client import Answer, Client

THEIRS = "https://evil.example"
SETTINGS = {"environment": "production", "secret": "a-secret-of-the-tests", "session.type": "memory"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "views").mkdir()
    (tmp_path / "static").mkdir()
    (tmp_path / "views" / "form.html").write_text(
        '<form method="post" action="/save?{{ csrf.query }}">{{ csrf }}</form><meta content="{{ csrf.token }}">'
    )
    return tmp_path


def made(root: Path, **settings: Any) -> Site:
    site = Site(root, {**SETTINGS, "database.url": "", **{f"security.{key}": value for key, value in settings.items()}})
    site.get("/form", callback=lambda: site.render("form"))
    site.get("/begin", callback=lambda session: session.update(a=1))
    site.get("/plain", callback=lambda: "plain")
    site.post("/save", callback=lambda: "saved " + bottle.request.forms.get("text", ""))
    site.post("/hook", callback=lambda: "taken", csrf=False)
    return site


def silent(client: Client, path: str = "/save", form: dict[str, str] | None = None, **environ: Any) -> Answer:
    """A form from a browser that says nothing of where it comes from."""
    return client.post(path, form or {"text": "hello"}, HTTP_SEC_FETCH_SITE=None, **environ)


def foreign(client: Client, path: str, method: str = "POST") -> Answer:
    return client.ask(method, path, HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN=THEIRS)


def token_of(page: str) -> str:
    found = re.fullmatch(
        r'<form method="post" action="/save\?csrf=([\w-]{32})"><input type="hidden" name="csrf" value="\1"></form>'
        r'<meta content="\1">',
        page,
    )
    assert found, page
    return found[1]


def test_a_site_refuses_what_another_site_sends_and_says_what_to_do(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(made(root))
    assert client.post("/save", {"text": "x"}).text == "saved x"
    answer = foreign(client, "/save")
    assert answer.status == 403
    assert "came from a page of another site, so nothing was done with it" in answer.text
    assert "security.origins" not in answer.text
    assert THEIRS not in answer.text
    (line,) = [record.message for record in caplog.records if record.name == "demijohn.security"]
    assert line == (
        f"POST /save was refused (Sec-Fetch-Site: cross-site, Origin: {THEIRS}). If that page is yours, name its "
        "origin in security.origins. If http://127.0.0.1:80 is not how visitors know this site, its proxies are not "
        "trusted. If programs send here, give the route csrf=False."
    )


def test_in_development_the_page_says_it_too(root: Path) -> None:
    site = Site(root, {"environment": "development", "database.url": "", "session.type": "memory"})
    site.post("/save", callback=lambda: "saved")
    page = foreign(Client(site), "/save").text
    assert "name its origin in security.origins" in page


def test_what_a_visitor_says_stays_on_one_line_of_the_log() -> None:
    error = CsrfRefusedError("POST", "/a\nb", "another site", "Origin: \r\nINFO all is well", None)
    assert "\n" not in str(error)
    assert "\r" not in str(error)


def test_a_token_is_in_the_form_of_who_has_a_session_and_only_there(root: Path) -> None:
    client = Client(made(root))
    assert client.get("/form").text == '<form method="post" action="/save?"></form><meta content="">'
    assert client.cookies == {}, "asking for a token begins no session"
    assert silent(client).text == "saved hello", "who has no session has nothing to lose"
    client.get("/begin")
    token = token_of(client.get("/form").text)
    refused = silent(client)
    assert refused.status == 403
    assert "Please go back, reload the page, and send the form again." in refused.text
    assert silent(client, form={"text": "hello", "csrf": token}).text == "saved hello"
    assert silent(client, form={"text": "hello", "csrf": token[::-1]}).status == 403
    assert silent(client, form={"text": "hello", "csrf": "é\0"}).status == 403
    assert silent(client, f"/save?csrf={token}").text == "saved hello"
    assert silent(client, HTTP_X_CSRF_TOKEN=token).text == "saved hello"
    multipart = f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n--b--\r\n'.encode()
    kind = {"CONTENT_TYPE": "multipart/form-data; boundary=b", "HTTP_SEC_FETCH_SITE": None}
    assert client.ask("POST", "/save", multipart, **kind).text == "saved "
    assert client.ask("POST", "/save", multipart.replace(token.encode(), b"x"), **kind).status == 403
    other = Client(made(root))
    other.get("/begin")
    assert silent(other, form={"text": "hello", "csrf": token}).status == 403


def test_a_token_dies_with_the_session_s_id(root: Path) -> None:
    site = made(root)
    site.get("/login", callback=lambda session: session.login(1))
    client = Client(site)
    client.get("/begin")
    token = token_of(client.get("/form").text)
    client.get("/login")
    assert silent(client, form={"csrf": token}).status == 403


def test_a_session_that_begins_with_the_page_has_a_token_that_counts(root: Path) -> None:
    site = made(root)

    @site.get("/both")
    def both(session: Any) -> str:
        session["a"] = 1
        return site.render("form")

    client = Client(site)
    token = token_of(client.get("/both").text)
    assert client.cookies
    assert silent(client, form={"text": "hello", "csrf": token}).text == "saved hello"


def test_a_cookie_whose_session_has_run_out_asks_for_no_token(root: Path) -> None:
    client, other = Client(made(root)), Client(made(root))
    other.get("/begin")
    client.cookies = other.cookies  # of a store that is gone
    assert client.get("/form").text == '<form method="post" action="/save?"></form><meta content="">'
    assert silent(client).text == "saved hello"


def test_who_does_not_ask_for_a_token_has_no_session_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = made(root)
    client = Client(site)
    client.get("/begin")
    monkeypatch.setattr(site.sessions, "load", None)
    assert client.get("/plain").text == "plain"
    assert client.post("/save", {"text": "x"}).text == "saved x"
    assert foreign(client, "/save").status == 403


def test_a_route_of_programs_is_let_off_and_a_site_can_be(root: Path) -> None:
    client = Client(made(root))
    client.get("/begin")
    assert foreign(client, "/hook").text == "taken"
    off = Client(made(root, csrf=False))
    off.get("/begin")
    assert foreign(off, "/save").text == "saved "
    assert off.get("/form").text == '<form method="post" action="/save?"></form><meta content="">'


def test_other_origins_of_one_s_own_are_named_in_the_settings(root: Path) -> None:
    client = Client(made(root, origins=THEIRS))
    assert foreign(client, "/save").text == "saved "
    with pytest.raises(ConfigError, match=r"security\.origins must be a list of origins, each scheme://host"):
        made(root, origins="evil.example")


class Watched(io.BytesIO):
    """A body of which it is known how much has been read."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 1000))


def test_a_body_that_is_streamed_is_left_to_its_handler(root: Path) -> None:
    """For a token in the address or in a header nothing of it is read; for one in the form, the first field."""
    site = made(root)
    client = Client(site)
    client.get("/begin")
    token = token_of(client.get("/form").text)
    seen: list[int] = []

    @site.post("/upload", body_limit=10**6)
    def upload() -> str:
        seen.append(body.tell())
        return " ".join(f"{part.name}:{sum(map(len, part))}" for part in bottle.request.parts())

    def form(*names: str) -> Watched:
        values = {"csrf": token, "picture": "x" * 500_000}
        head = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        return Watched("".join([*(head.format(name, values[name]) for name in names), "--b--\r\n"]).encode())

    def send(path: str, **environ: Any) -> Answer:
        kind = {"CONTENT_TYPE": "multipart/form-data; boundary=b", "CONTENT_LENGTH": str(len(body.getvalue()))}
        return silent(client, path, **{**kind, "wsgi.input": body, **environ})

    body = form("picture")
    assert send(f"/upload?csrf={token}").text == "picture:500000"
    body = form("picture")
    assert send("/upload", HTTP_X_CSRF_TOKEN=token).text == "picture:500000"
    assert seen == [0, 0]
    body = form("csrf", "picture")
    assert send("/upload").text == "csrf:32 picture:500000"
    assert 0 < seen[2] <= 70_000
    body = form("picture", "csrf")
    assert send("/upload").status == 403
    body = form()
    assert send("/upload", CONTENT_TYPE="image/png").status == 403
    assert body.tell() == 0


def test_an_app_that_is_mounted_or_merged_is_held_to_it_too(root: Path) -> None:
    def inner() -> bottle.Bottle:
        app = bottle.Bottle()
        app.post("/save", callback=lambda: "saved inside")
        app.post("/hook", callback=lambda: "taken inside", csrf=False)
        return app

    def foreign_wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

    site = made(root)
    site.mount("/bottle/", inner())
    with pytest.deprecated_call():
        site.mount("/shifted", inner())  # without a slash, Bottle mounts it as WSGI
    site.mount("/wsgi/", inner().wsgi)
    site.mount("/other/", foreign_wsgi)
    site.mount("/free/", foreign_wsgi, csrf=False)
    site.mount("/tree/", inner(), csrf=False)
    merged = inner()
    merged.post("/merged", callback=lambda: "merged")
    site.merge([route for route in merged.routes if route.rule == "/merged"])
    client = Client(site)
    for path in ("/bottle/save", "/shifted/save", "/wsgi/save", "/wsgi/hook", "/other/x", "/merged"):
        assert foreign(client, path).status == 403, path
        assert client.post(path).status == 200, path
    for path in ("/bottle/hook", "/shifted/hook", "/free/x", "/tree/save"):
        assert foreign(client, path).status == 200, path
    assert foreign(client, "/bottle/save").text.startswith("<!doctype html>")
    client.get("/begin")
    token = token_of(client.get("/form").text)
    # The body of an application that is no Bottle app is its own.
    assert silent(client, "/other/x", {"csrf": token}).status == 403
    assert silent(client, f"/other/x?csrf={token}", {"a": "b"}).text == "a=b"


def test_what_is_mounted_in_a_mounted_app_is_held_to_it_too(root: Path) -> None:
    def foreign_wsgi(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"taken"]

    inner, middle, merged = bottle.Bottle(), bottle.Bottle(), bottle.Bottle()
    inner.post("/save", callback=lambda session: f"saved {session.user}")
    middle.mount("/inner/", inner)
    middle.mount("/wsgi/", foreign_wsgi)
    merged.mount("/old/", foreign_wsgi)
    merged.mount("/free/", foreign_wsgi, csrf=False)
    site = made(root)
    site.mount("/middle/", middle)
    site.merge(merged)
    site.merge(merged)  # judged twice it is guarded once
    client = Client(site)
    for path in ("/middle/inner/save", "/middle/wsgi/x", "/old/x"):
        assert foreign(client, path).status == 403, path
        assert client.post(path).status == 200, path
    assert foreign(client, "/free/x").status == 200
