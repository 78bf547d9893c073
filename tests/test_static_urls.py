"""Static files: the addresses that are given out, and what they lead to after a change."""

from __future__ import annotations

import base64
import hashlib
import logging
from pathlib import Path

import bottle
import pytest

from demijohn.errors import StaticError
from demijohn.static import Static
from tests.client import Client
from tests.test_static import CSS, FOREVER, VERSION, folder, served

__all__ = ["folder"]  # a fixture


@pytest.fixture(autouse=True)
def _no_request() -> None:
    bottle.request.bind({})  # a thread keeps its last one


@pytest.mark.parametrize("name", ["größe 1.txt", "app.mjs", "css/style.css", "large.bin"])
def test_an_address_leads_to_its_file(folder: Path, name: str) -> None:
    static, client = served(folder, "assets/v1/")
    url = static.url(name)
    assert url.isascii()
    assert url.startswith("/assets/v1/")
    path = url.replace("%20", " ").replace("%C3%B6", "Ã¶").replace("%C3%9F", "Ã\x9f").replace("%C3%9f", "Ã\x9f")
    assert client.get(path).header("Cache-Control") == FOREVER


MOUNTS = {"": "", "/app": "/app", "/a/b/": "/a/b", "//evil.example": "/evil.example", "/Ã©": "/%C3%A9", "/é": "/%C3%A9"}


@pytest.mark.parametrize("script", MOUNTS)
def test_an_address_begins_where_the_site_is_mounted(folder: Path, script: str) -> None:
    app = bottle.Bottle()
    static = app.install(Static(folder))
    app.get("/", callback=lambda: static.url("css/style.css"))
    answer = Client(app).get("/", SCRIPT_NAME=script)
    assert answer.text == f"{MOUNTS[script]}/static/css/style.{VERSION}.css"


@pytest.mark.parametrize("how", ["mount", "mount as wsgi"])
def test_an_address_is_right_in_a_mounted_app(folder: Path, how: str) -> None:
    inner, middle, outer = bottle.Bottle(), bottle.Bottle(), bottle.Bottle()
    static = inner.install(Static(folder))
    inner.get("/", callback=lambda: static.url("css/style.css"))
    middle.mount("/in/", inner)
    outer.mount("/mid/", middle if how == "mount" else middle.wsgi)
    client = Client(outer)
    url = client.get("/mid/in/").text
    assert url == f"/mid/in/static/css/style.{VERSION}.css"
    assert client.get(url).body == CSS


def test_an_unknown_name_is_explained_in_development(folder: Path) -> None:
    static, _ = served(folder, development=True)
    with pytest.raises(
        StaticError, match=r"no static file 'css/styles.css' in .*static\. Is it css/style.css"
    ) as caught:
        static.url("css/styles.css")
    assert caught.value.near[0] == "css/style.css"
    with pytest.raises(StaticError, match=r"Names are written as they lie there: css/style\.css\."):
        static.url("???")


@pytest.mark.parametrize("name", ["app.mjs", "css/style.css", "large.bin", "empty.txt", "größe 1.txt"])
def test_the_integrity_is_that_of_the_content(folder: Path, name: str) -> None:
    digest = hashlib.sha384((folder / name).read_bytes()).digest()
    for development in (False, True):
        static, _ = served(folder, development=development)
        assert static.integrity(name) == f"sha384-{base64.b64encode(digest).decode()}"
        assert static.integrity(name) is static.integrity(name), "reckoned once"


def test_the_integrity_follows_a_change_where_the_address_does(folder: Path) -> None:
    static, client = served(folder, development=True)
    before = static.integrity("app.mjs")
    (folder / "app.mjs").write_text("export { changed }\n")
    after = static.integrity("app.mjs")
    assert after != before
    digest = hashlib.sha384(client.get(static.url("app.mjs")).body).digest()
    assert after == f"sha384-{base64.b64encode(digest).decode()}"


def test_of_an_unknown_name_there_is_no_integrity(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    static, _ = served(folder, development=True)
    with pytest.raises(StaticError, match=r"no static file 'app.js'"):
        static.integrity("app.js")
    static, _ = served(folder)
    (folder / "app.mjs").unlink()
    with caplog.at_level(logging.WARNING, "demijohn"):
        assert [static.integrity("app.js"), static.integrity("app.js"), static.integrity("app.mjs")] == [""] * 3
    assert len(caplog.records) == 2
    assert "There is no static file 'app.js'" in caplog.text
    assert "The static file 'app.mjs' cannot be read" in caplog.text


def test_an_unknown_name_is_logged_once_in_production(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    static, _ = served(folder)
    with caplog.at_level(logging.WARNING, "demijohn"):
        assert [static.url("new page.css") for _ in range(3)] == ["/static/new%20page.css"] * 3
    assert len(caplog.records) == 1
    assert "There is no static file 'new page.css'" in caplog.text


def test_development_sees_new_changed_and_deleted_files(folder: Path) -> None:
    static, client = served(folder, development=True)
    before = static.url("css/style.css")
    (folder / "css" / "style.css").write_bytes(b"p {}")
    (folder / "css" / "new.css").write_bytes(b"a {}")
    assert static.url("css/style.css") != before
    assert client.get(before).status == 404
    assert [client.get(f"/static/css/{name}.css").body for name in ("style", "new")] == [b"p {}", b"a {}"]
    (folder / "css" / "style.css").unlink()
    assert client.get("/static/css/style.css").status == 404


def test_production_serves_what_was_there_at_boot(folder: Path) -> None:
    static, client = served(folder)
    url = static.url("css/style.css")
    (folder / "new.css").touch()
    (folder / "css" / "style.css").write_bytes(b"p {}")
    assert client.get(url).body == CSS
    assert client.get("/static/new.css").status == 404
