"""Static files: what is never served, what is served at the root, what is packed and kept in memory, where it is
answered."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import lifetime
from demijohn.static import Static, codings, files
from demijohn.static.names import files_in
from tests.client import Client
from tests.readonly import readonly

CSS = b"body { color: #123 }\n" * 100


def put(folder: Path, **contents: bytes) -> Path:
    """`a__b_css` is `a/b.css`."""
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def served(folder: Path, **options: Any) -> tuple[Static, Client]:
    app = bottle.Bottle()
    return app.install(Static(folder, **options)), Client(app)


# What is never served


@pytest.mark.parametrize(
    "name",
    [
        *(
            "app.py",
            "app.PYC",
            "__pycache__/app.cpython-311.pyc",
            "index.wsgi",
            "config.yaml",
            "Config.YAML",
            "app.yaml",
        ),
        *(
            "site.sqlite",
            "site.db",
            "dump.sql",
            "server.pem",
            "server.key",
            "prod.env",
            ".env",
            ".git/HEAD",
            ".htpasswd",
        ),
        *("style.css~", "style.css.bak", ".style.css.swp", "Procfile", "requirements.txt", "node_modules/x/index.js"),
        *(".well-known/security.txt", "root/.ssh/id", "css/.well-known/a.txt", "bell\a.txt", "back\\slash.txt"),
    ],
)
@pytest.mark.parametrize("development", [False, True], ids=["production", "development"])
def test_what_nobody_means_to_publish(tmp_path: Path, name: str, development: bool) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("SECRET")
    static, client = served(tmp_path, development=development)
    assert client.get(f"/static/{name}").status == 404
    assert static.paths() == []


@pytest.mark.parametrize(
    "name", ["py", "keys.txt", "config.yaml.txt", "my.python", "dbase.csv", "a.b.c.d", "robots.txt"]
)
def test_what_is_only_called_alike_is_served(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("open")
    assert served(tmp_path)[1].get(f"/static/{name}").text == "open"


# At the root


def test_the_folder_root_is_served_at_the_root(tmp_path: Path) -> None:
    names = ("ads.txt", ".well-known/security.txt", "a b.txt", "größe.txt", "deep/er/x.txt")
    for name in names:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    static, client = served(tmp_path)
    for name in names:
        answer = client.get("/" + name.encode().decode("latin1"))
        assert (answer.text, answer.header("Cache-Control")) == (name, "no-cache")
        assert client.ask("HEAD", "/" + name.encode().decode("latin1")).body == b""
        tag = answer.header("ETag")
        assert client.get("/" + name.encode().decode("latin1"), HTTP_IF_NONE_MATCH=tag).status == 304
    assert client.get(static.url("root/ads.txt")).text == "ads.txt"
    assert client.get("/" + "root/ads.txt").status == 404


def test_the_site_s_own_route_is_stronger_than_a_file_at_the_root(tmp_path: Path) -> None:
    put(tmp_path, root__ads_txt=b"the file's")
    app = bottle.Bottle()
    app.install(Static(tmp_path))
    app.get("/ads.txt", callback=lambda: "the route's")
    assert [Client(app).get("/ads.txt").text for _ in range(2)] == ["the route's"] * 2


# Packing


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What has been packed: the coding, and bytes."""
    packed: list[tuple[str, int]] = []

    def packer(coding: str) -> Callable[[bytes], bytes] | None:
        pack = codings.packer(coding)

        def count(data: bytes) -> bytes:
            packed.append((coding, len(data)))
            assert pack is not None
            return pack(data)

        return count if pack else None

    monkeypatch.setattr(files, "packer", packer)
    return packed


def test_each_is_packed_once_at_the_first_request_that_asks(tmp_path: Path, counted: list[tuple[str, int]]) -> None:
    put(tmp_path, style_css=CSS, tiny_css=b"a {}", photo_jpg=CSS, noise_svg=os.urandom(3000))
    static, client = served(tmp_path)
    client.get(static.url("style.css"))
    assert counted == []
    for _ in range(3):
        for path in ("/static/style.css", static.url("style.css"), "/static/style.css?x=1"):
            for header in ("gzip, deflate", "gzip", "deflate, gzip;q=0.7"):
                assert gzip.decompress(client.get(path, HTTP_ACCEPT_ENCODING=header).body) == CSS
    assert counted == [("gzip", len(CSS))]
    for name in ("tiny.css", "photo.jpg", "noise.svg"):
        for _ in range(3):
            assert client.get(f"/static/{name}", HTTP_ACCEPT_ENCODING="gzip").header("Content-Encoding") is None
    assert counted == [("gzip", len(CSS)), ("gzip", 3000)]  # noise was tried


def test_without_the_packages_there_is_gzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("brotli", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    codings.packer.cache_clear()
    try:
        _, client = served(put(tmp_path, style_css=CSS))
        answer = client.get("/static/style.css", HTTP_ACCEPT_ENCODING="br, zstd, gzip;q=0.1")
        assert answer.header("Content-Encoding") == "gzip"
        assert client.get("/static/style.css", HTTP_ACCEPT_ENCODING="br, zstd").header("Content-Encoding") is None
    finally:
        codings.packer.cache_clear()


def test_nothing_that_packs_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, style_css=CSS)
    program = """
import sys, bottle
from demijohn.static import Static
from tests.client import Client
before = set(sys.modules)
app = bottle.Bottle()
static = app.install(Static(sys.argv[1]))
static.url("style.css")
Client(app).get("/static/style.css")
print(sorted({"brotli", "backports.zstd", "mimetypes", "sqlalchemy"} & (set(sys.modules) - before)))
Client(app).get("/static/style.css", HTTP_ACCEPT_ENCODING="br")
print("brotli" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


# Memory


def test_there_is_a_limit_to_what_is_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"f{n}_css": b"%d %s" % (n, CSS) for n in range(9)}
    static, client = served(put(tmp_path, **many))
    static.room.left = 5 * len(CSS)
    for accepted in ("", "gzip", "br"):
        for _ in range(2):
            for n in range(9):
                answer = client.get(f"/static/f{n}.css", HTTP_ACCEPT_ENCODING=accepted)
                body = gzip.decompress(answer.body) if answer.header("Content-Encoding") == "gzip" else answer.body
                assert answer.header("Content-Encoding") in (None, accepted)
                if answer.header("Content-Encoding") != "br":
                    assert body == many[f"f{n}_css"]
                assert answer.header("Content-Length") == str(len(answer.body))
    assert 0 <= static.room.left < len(CSS)
    kept = [file._content.plain.data for file in static._files.values() if file._content]
    assert 4 <= len([data for data in kept if data is not None]) < 9


def test_headers_that_nobody_has_heard_of_take_no_memory(tmp_path: Path) -> None:
    static, client = served(put(tmp_path, style_css=CSS))
    for n in range(400):
        client.get(f"/static/style.css?x={n}", HTTP_ACCEPT_ENCODING=f"gzip, x{n}")
    assert len(static._codings) == 256
    assert len(static._prepared) == 0
    client.get("/static/style.css", HTTP_ACCEPT_ENCODING="gzip, y")
    assert len(static._prepared) == 1
    for n in range(400):
        assert static.url(f"no{n}.css") == f"/static/no{n}.css"
    assert len(static._addresses) == 0


# Where it is answered


def test_the_finishers_see_a_file_and_bottle_does_not(tmp_path: Path) -> None:
    app = bottle.Bottle()
    app.install(Static(put(tmp_path, style_css=CSS, large_bin=bytes(files.SMALL + 1))))
    lifetime.attach(app, finisher=lambda environ, status, headers: headers.append(("X-Status", str(status))))
    app.add_hook("before_request", lambda: pytest.fail("Bottle has heard of it"))
    client = Client(app)
    for name in ("style.css", "large.bin"):
        for _ in range(2):
            answer = client.get(f"/static/{name}")
            assert answer.header("X-Status") == "200"
            tag = answer.header("ETag")
            answer = client.get(f"/static/{name}", HTTP_IF_NONE_MATCH=tag)
            assert (answer.status, answer.header("X-Status")) == (304, "304")
    headers = client.get("/static/style.css").headers
    assert len([name for name, _ in headers if name == "X-Status"]) == 1, "each answer has a list of its own"


def test_a_file_on_disk_is_closed_whatever_becomes_of_the_answer(tmp_path: Path) -> None:
    _, client = served(put(tmp_path, large_bin=bytes(range(256)) * 2000))
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    cases: list[dict[str, Any]] = [{}, {"HTTP_RANGE": "bytes=5-"}, {"HTTP_RANGE": "bytes=0-99999,200000-300000"}]
    for headers in cases:
        started = client.begin("GET", "/static/large.bin", **headers)
        next(started.pieces)
        started.close()  # the visitor hangs up
        client.ask("HEAD", "/static/large.bin", **headers)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_parts_of_a_large_file_are_read_and_not_kept(tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    _, client = served(put(tmp_path, large_bin=content))
    answer = client.get("/static/large.bin", HTTP_RANGE="bytes=100000-299999")
    assert (answer.status, answer.body) == (206, content[100000:300000])
    answer = client.get("/static/large.bin", HTTP_RANGE="bytes=0-1,-2")
    assert answer.status == 206
    assert b"\x00\x01\r\n--" in answer.body
    assert b"\xfe\xff\r\n--" in answer.body


def test_a_folder_that_is_a_link_within_itself_ends(tmp_path: Path) -> None:
    put(tmp_path, a_css=CSS)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [name for name, _ in files_in(str(tmp_path))] == ["a.css"]


PROGRAM = """
import sys, bottle
from demijohn.static import Static
from tests.client import Client
app = bottle.Bottle()
static, client = app.install(Static(sys.argv[1])), Client(app)
for accepted in ("br", "zstd", "gzip", ""):
    for name in ("style.css", "large.bin"):
        answer = client.get(static.url(name), HTTP_ACCEPT_ENCODING=accepted)
        parts = client.get(static.url(name), HTTP_ACCEPT_ENCODING=accepted, HTTP_RANGE="bytes=0-1,5-6")
        print(name, answer.status, answer.header("Content-Encoding"), parts.status)
"""


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    put(tmp_path, style_css=CSS, large_bin=os.urandom(300_000))
    command = readonly([sys.executable, "-c", PROGRAM, str(tmp_path)])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    css = [f"style.css 200 {coding} 206" for coding in ("br", "zstd", "gzip", "None")]
    assert done.stdout.split("\n")[:8:2] == css
    assert done.stdout.split("\n")[1:8:2] == ["large.bin 200 None 206"] * 4
