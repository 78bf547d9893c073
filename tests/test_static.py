"""Static files: which there are, how caches are told about them, and what is kept from visitors."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from wsgiref.util import FileWrapper

import bottle
import pytest

from demijohn.static import Static
from demijohn.static.files import SMALL
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

    def wrapper(file: object, size: int = 8192) -> FileWrapper:
        given.append(file)
        return FileWrapper(file, size)  # type: ignore[arg-type]

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
    assert static.url("css/style.css") == f"/static/css/style.{VERSION}.css"
    for _ in range(2):  # looked for, and looked up
        answer = client.get(static.url("css/style.css"))
        assert (answer.body, answer.header("Cache-Control")) == (CSS, FOREVER)


def test_the_hash_may_be_in_the_query_for_a_server_in_front(folder: Path) -> None:
    app = bottle.Bottle()
    static, client = app.install(Static(folder, hash="query")), Client(app)
    assert static.url("css/style.css") == f"/static/css/style.css?v={VERSION}"
    for query in (f"v={VERSION}", f"x=1&v={VERSION}"):
        for _ in range(2):
            answer = client.get(f"/static/css/style.css?{query}")
            assert (answer.body, answer.header("Cache-Control")) == (CSS, FOREVER)


@MODES
@pytest.mark.parametrize("path", ["style.0123456789ab.css", "style.css?v=0123456789ab", f"other.{VERSION}.css"])
def test_another_release_s_address_is_not_there_and_no_cache_keeps_that(
    folder: Path, path: str, development: bool
) -> None:
    _, client = served(folder, development=development)
    client.get("/static/css/style.css")
    for method in ("GET", "HEAD"):
        answer = client.ask(method, f"/static/css/{path}")
        assert (answer.status, answer.header("Cache-Control")) == (404, "no-store")
    tag = {"HTTP_IF_NONE_MATCH": "*", "HTTP_IF_MATCH": ETAG}  # RFC 9110 section 13.2.1
    assert client.get(f"/static/css/{path}", **tag).status == 404


@pytest.mark.parametrize(
    "query", ["", "x=1", f"w={VERSION}", "v=", "v=2", f"v={VERSION}0", "v=%FF", f"v={VERSION.upper()}"]
)
def test_an_address_without_a_hash_is_asked_for_again(client: Client, query: str) -> None:
    for _ in range(2):
        answer = client.get(f"/static/css/style.css?{query}")
        assert (answer.body, answer.header("Cache-Control")) == (CSS, "no-cache")


def test_names_carry_their_hash_before_what_says_their_kind(folder: Path) -> None:
    (folder / "LICENSE").write_text("MIT")
    (folder / "app.min.js").write_text("1")
    (folder / "v1.2").mkdir()
    (folder / "v1.2" / "NOTES").write_text("2")
    static, client = served(folder)
    for name, shape in (("LICENSE", "LICENSE.#"), ("app.min.js", "app.min.#.js"), ("v1.2/NOTES", "v1.2/NOTES.#")):
        url = static.url(name)
        version = hashlib.blake2b((folder / name).read_bytes(), digest_size=16).hexdigest()[:12]
        assert url == "/static/" + shape.replace("#", version)
        assert client.get(url).header("Cache-Control") == FOREVER


def test_a_file_may_be_called_like_another_with_its_hash(folder: Path) -> None:
    (folder / "css" / f"style.{VERSION}.css").write_text("mine")
    static, client = served(folder)
    assert client.get(static.url("css/style.css")).text == "mine"


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
    ["bytes=4-2", "lines=0-1", "bytes=--1", "bytes=+0-1", "bytes=a-b", "bytes=0_0-1", "bytes="],
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


def test_what_was_changed_by_hand_is_still_found_where_the_pages_say(folder: Path) -> None:
    """A large file is not kept in memory, and its address, once given out, is."""
    static, client = served(folder)
    address = static.url("large.bin")
    assert client.get(address).header("Cache-Control") == FOREVER
    (folder / "large.bin").write_bytes(LARGE + b"more")
    answer = client.get(static.url("large.bin"))
    assert (answer.status, answer.body, answer.header("Cache-Control")) == (200, LARGE + b"more", "no-store")


def test_who_refuses_plain_bytes_fills_no_memory(folder: Path) -> None:
    """Each order of codings would be another answer, packed while the visitor waits, and kept."""
    (folder / "film.mp4").write_bytes(os.urandom(SMALL + 1))
    (folder / "still.png").write_bytes(os.urandom(1000))
    static, client = served(folder)
    for codings in ("gzip", "gzip, br", "br, gzip", "br;q=0.5, gzip;q=0.1"):
        header = f"{codings}, identity;q=0"
        assert client.get("/static/film.mp4", HTTP_ACCEPT_ENCODING=header).status == 406
        assert client.get("/static/still.png", HTTP_ACCEPT_ENCODING=header).header("Content-Encoding") in ("br", "gzip")
    kept = {id(answer.data) for answers in static._prepared.values() for answer in answers.values()}
    assert len(kept) == 2  # one of each coding
    for length in range(201, 210):
        client.get("/static/still.png", HTTP_ACCEPT_ENCODING="x" * length)
    assert max(len(header or "") for header in static._codings) <= 200
