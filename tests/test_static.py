"""Static files: which there are, how caches are told about them, and what is kept from visitors."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from wsgiref.util import FileWrapper

import bottle
import pytest

from demijohn.errors import StaticError
from demijohn.static import SMALL, Static
from tests.client import Client

CSS = b"body { color: #123 }\n"
VERSION = hashlib.blake2b(CSS, digest_size=16).hexdigest()[:12]
LARGE = bytes(range(256)) * (SMALL // 256 + 1)
FOREVER = "public, max-age=31536000, immutable"
MODES = pytest.mark.parametrize("development", [False, True], ids=["production", "development"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "style.css").write_bytes(CSS)
    (folder / "app.mjs").write_text("export {}\n")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "größe 1.txt").write_text("groß")
    (folder / "empty.txt").touch()
    (folder / "robots.txt").write_text("User-agent: *\n")
    (folder / "favicon.ico").write_bytes(b"\0\0\1\0")
    (folder / "apple-touch-icon-180x180.png").write_bytes(b"\x89PNG")
    (folder / ".env").write_text("SECRET")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("SECRET")
    (folder / "back\\slash.txt").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (folder / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "dangling.txt").symlink_to(tmp_path / "nowhere")
    (folder / "inside.css").symlink_to(folder / "css" / "style.css")
    return folder


def served(folder: Path, url: str = "/static", development: bool = False) -> tuple[Static, Client]:
    app = bottle.Bottle()
    return app.install(Static(folder, url, development=development)), Client(app)


@pytest.fixture(autouse=True)
def _no_request() -> None:
    bottle.request.bind({})  # a thread keeps its last one


@pytest.fixture
def client(folder: Path) -> Client:
    return served(folder)[1]


# Which files there are


@MODES
def test_a_file_is_served_with_what_a_browser_needs(folder: Path, development: bool) -> None:
    answer = served(folder, development=development)[1].get("/static/css/style.css")
    assert (answer.status, answer.body) == (200, CSS)
    assert answer.header("Content-Type") == "text/css; charset=utf-8"
    assert answer.header("Content-Length") == str(len(CSS))
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Cache-Control") == "no-cache"
    assert answer.header("Last-Modified") == bottle.http_date(int((folder / "css" / "style.css").stat().st_mtime))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("favicon.ico", "image/x-icon"),
        ("FONT.WOFF2", "font/woff2"),
        ("site.webmanifest", "application/manifest+json"),
        ("data.json", "application/json"),
        ("icon.svg", "image/svg+xml"),
        ("source.tar.gz", "application/gzip"),
        ("no-suffix", "application/octet-stream"),
        ("what.is-this", "application/octet-stream"),
    ],
)
def test_the_type_does_not_depend_on_the_machine(folder: Path, name: str, content_type: str) -> None:
    (folder / name).touch()
    assert served(folder)[1].get(f"/static/{name}").header("Content-Type") == content_type


@MODES
@pytest.mark.parametrize(
    "path",
    [
        "/static",
        "/static/",
        "/static/css",
        "/static/css/",
        "/static/nothing.css",
        "/static/../secret.txt",
        "/static/css/../../secret.txt",
        "/static/css/../css/style.css",
        "/static//css/style.css",
        "/static/./css/style.css",
        "/static/%2e%2e/secret.txt",
        "/static/..\\secret.txt",
        "/static/css\\style.css",
        "/static/back\\slash.txt",
        "/static/css/style.css\0.txt",
        "/static/.env",
        "/static/.git/config",
        "/static/outside.txt",
        "/static/up/secret.txt",
        "/static/dangling.txt",
        "/static/style.css:stream",
        "/static/CSS/STYLE.CSS",
    ],
)
def test_all_else_is_not_there_and_no_cache_keeps_that(folder: Path, path: str, development: bool) -> None:
    answer = served(folder, development=development)[1].get(path)
    assert (answer.status, answer.header("Cache-Control"), answer.errors) == (404, "no-store", "")
    assert "There is no file at this address." in answer.text
    assert b"SECRET" not in answer.body


def test_a_path_from_the_root_is_not_there(folder: Path, client: Client) -> None:
    assert client.get(f"/static/{folder.parent}/secret.txt").status == 404


def test_a_link_within_the_folder_is_a_file(client: Client) -> None:
    assert client.get("/static/inside.css").body == CSS


@MODES
def test_a_missing_folder_has_no_files(tmp_path: Path, development: bool) -> None:
    assert served(tmp_path / "nowhere", development=development)[1].get("/static/x").status == 404


def test_a_file_that_went_after_the_boot_is_not_there(
    folder: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "css" / "style.css").unlink()
    assert client.get("/static/css/style.css").status == 404
    assert "The static file 'css/style.css' cannot be read" in caplog.text


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico", "/apple-touch-icon-180x180.png"])
def test_what_is_looked_for_at_the_root_is_there(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status, answer.body) == (200, client.get(f"/static{path}").body)


def test_nothing_else_is_at_the_root(client: Client) -> None:
    assert [client.get(path).status for path in ("/app.mjs", "/favicon.svg", "/css/style.css")] == [404] * 3


def test_the_site_may_have_a_robots_txt_of_its_own(folder: Path) -> None:
    app = bottle.Bottle()
    app.install(Static(folder))
    app.get("/robots.txt", callback=lambda: "mine")
    assert Client(app).get("/robots.txt").text == "mine"


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/static/css/style.css").status == 405


def test_head_is_get_without_the_body(client: Client) -> None:
    for name, size in (("css/style.css", len(CSS)), ("large.bin", len(LARGE)), ("empty.txt", 0)):
        answer = client.ask("HEAD", f"/static/{name}")
        assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", str(size))
        assert client.get(f"/static/{name}").headers == answer.headers


def test_a_large_file_is_handed_to_the_server(client: Client) -> None:
    given: list[object] = []

    def wrapper(file: object) -> FileWrapper:
        given.append(file)
        return FileWrapper(file)  # type: ignore[arg-type]

    answer = client.get("/static/large.bin", **{"wsgi.file_wrapper": wrapper})
    assert (answer.body, answer.header("Content-Length")) == (LARGE, str(len(LARGE)))
    assert [os.path.basename(file.name) for file in given] == ["large.bin"]  # type: ignore[attr-defined]


def test_a_large_file_that_changed_after_the_boot_is_told_apart(folder: Path, client: Client) -> None:
    before = client.get("/static/large.bin").header("ETag")
    (folder / "large.bin").write_bytes(LARGE[::-1] + b"more")
    answer = client.get("/static/large.bin", HTTP_IF_NONE_MATCH=before)
    assert (answer.status, answer.body) == (200, LARGE[::-1] + b"more")


# What caches are told


def test_an_address_with_the_hash_may_be_kept_for_good(folder: Path) -> None:
    static, client = served(folder)
    assert static.url("css/style.css") == f"/static/css/style.css?v={VERSION}"
    assert client.get(static.url("css/style.css")).header("Cache-Control") == FOREVER


@pytest.mark.parametrize("query", ["v=0123456789ab", "v=", f"v={VERSION}&v=x", "x=1&v=0", f"v={VERSION}0", "v=%FF"])
def test_another_release_s_address_is_kept_by_no_one(client: Client, query: str) -> None:
    answer = client.get(f"/static/css/style.css?{query}")
    assert (answer.status, answer.body, answer.header("Cache-Control")) == (200, CSS, "no-store")


@pytest.mark.parametrize("query", ["", "x=1", f"w={VERSION}"])
def test_an_address_without_a_hash_is_asked_for_again(client: Client, query: str) -> None:
    assert client.get(f"/static/css/style.css?{query}").header("Cache-Control") == "no-cache"


ETAG = f'"{hashlib.blake2b(CSS, digest_size=16).hexdigest()}"'


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        (ETAG, 304),
        (f"W/{ETAG}", 304),
        (f'"other", W/{ETAG}', 304),
        (f'"a,b",{ETAG} , "c"', 304),
        ("*", 304),
        (" * ", 304),
        ('"other"', 200),
        (ETAG.strip('"'), 200),
        ('"*"', 200),
        ("", 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match(client: Client, tags: str, status: int, method: str) -> None:
    answer = client.ask(method, "/static/css/style.css", HTTP_IF_NONE_MATCH=tags)
    assert (answer.status, answer.header("ETag"), answer.header("Cache-Control")) == (status, ETAG, "no-cache")
    assert answer.body == (CSS if (status, method) == (200, "GET") else b"")
    if status == 304:
        assert answer.header("Content-Length") is None
        assert answer.header("Content-Type") is None


def test_if_modified_since(folder: Path, client: Client) -> None:
    os.utime(folder / "css" / "style.css", (1_700_000_000.5, 1_700_000_000.5))
    client = served(folder)[1]

    def status(since: str, **environ: str) -> int:
        return client.get("/static/css/style.css", HTTP_IF_MODIFIED_SINCE=since, **environ).status

    assert status("Tue, 14 Nov 2023 22:13:20 GMT") == 304
    assert status("Tuesday, 14-Nov-23 22:13:20 GMT") == 304
    assert status("Tue, 14 Nov 2023 22:13:19 GMT") == 200
    assert status("yesterday") == 200
    assert status("Tue, 14 Nov 2023 22:13:20 GMT", HTTP_IF_NONE_MATCH='"other"') == 200  # RFC 9110 section 13.1.3
    assert status("Tue, 14 Nov 2023 22:13:19 GMT", HTTP_IF_NONE_MATCH=ETAG) == 304


def test_a_host_that_dates_every_file_alike_is_not_believed(folder: Path) -> None:
    os.utime(folder / "css" / "style.css", (315532801, 315532801))  # 1980, as buildpacks have it
    client = served(folder)[1]
    answer = client.get("/static/css/style.css", HTTP_IF_MODIFIED_SINCE="Tue, 01 Jan 1980 00:00:01 GMT")
    assert (answer.status, answer.header("Last-Modified")) == (200, None)


# Ranges


@pytest.mark.parametrize("name", ["large.bin", "css/style.css"])
@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 5),
        ("bytes=5-", 5, None),
        ("bytes=-3", -3, None),
        ("BYTES=1-999999999", 1, None),
    ],
)
def test_one_range_is_served(folder: Path, client: Client, name: str, asked: str, start: int, stop: int | None) -> None:
    whole = (folder / name).read_bytes()
    answer = client.get(f"/static/{name}", HTTP_RANGE=asked)
    first = start % len(whole)
    assert (answer.status, answer.body) == (206, whole[start:stop])
    assert answer.header("Content-Range") == f"bytes {first}-{first + len(answer.body) - 1}/{len(whole)}"
    assert answer.header("Content-Length") == str(len(answer.body))


@pytest.mark.parametrize("asked", [f"bytes={len(CSS)}-", "bytes=999-1000", "bytes=-0"])
def test_a_range_past_the_end_is_refused(client: Client, asked: str) -> None:
    answer = client.get("/static/css/style.css", HTTP_RANGE=asked)
    assert (answer.status, answer.header("Content-Range")) == (416, f"bytes */{len(CSS)}")
    assert f"The file has {len(CSS)} bytes" in answer.text


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,3-4", "bytes=4-2", "lines=0-1", "bytes=--1", "bytes=+0-1", "bytes=a-b", "bytes=0_0-1", "bytes="],
)
def test_any_other_range_is_passed_over(client: Client, asked: str) -> None:
    answer = client.get("/static/css/style.css", HTTP_RANGE=asked)
    assert (answer.status, answer.body) == (200, CSS)


def test_a_download_goes_on_with_the_same_file_only(client: Client) -> None:
    for same, status in ((ETAG, 206), ('"other"', 200), (f"W/{ETAG}", 200), ("Tue, 14 Nov 2023 22:13:20 GMT", 200)):
        answer = client.get("/static/css/style.css", HTTP_RANGE="bytes=1-2", HTTP_IF_RANGE=same)
        assert answer.status == status


def test_a_range_of_head_or_of_what_is_known_is_none(client: Client) -> None:
    assert client.ask("HEAD", "/static/css/style.css", HTTP_RANGE="bytes=0-0").status == 200
    assert client.get("/static/css/style.css", HTTP_RANGE="bytes=0-0", HTTP_IF_NONE_MATCH=ETAG).status == 304


# Addresses


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
    assert answer.text == f"{MOUNTS[script]}/static/css/style.css?v={VERSION}"


@pytest.mark.parametrize("how", ["mount", "mount as wsgi"])
def test_an_address_is_right_in_a_mounted_app(folder: Path, how: str) -> None:
    inner, middle, outer = bottle.Bottle(), bottle.Bottle(), bottle.Bottle()
    static = inner.install(Static(folder))
    inner.get("/", callback=lambda: static.url("css/style.css"))
    middle.mount("/in/", inner)
    outer.mount("/mid/", middle if how == "mount" else middle.wsgi)
    client = Client(outer)
    url = client.get("/mid/in/").text
    assert url == f"/mid/in/static/css/style.css?v={VERSION}"
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
    assert client.get(before).header("Cache-Control") == "no-store"
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
