"""What the parts of a site make of what a bundle has prepared for them: static files, settings."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn import config
from demijohn.config import document, prepared
from demijohn.deploy.bundle import settings, statics
from demijohn.static import SMALL, Static
from tests.bundles import put
from tests.client import Client

# Static files

CSS = b"body { color: #123 }\n" * 100


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path, "static/css/style.css", CSS)
    put(tmp_path, "static/small.css", b"a {}")
    put(tmp_path, "static/noise.svg", os.urandom(5000))
    put(tmp_path, "static/photo.jpg", b"x" * 5000)
    put(tmp_path, "static/large.txt", b"0123456789abcdef" * (SMALL // 16 + 1))
    statics.write(tmp_path, "static")
    return tmp_path


def served(tree: Path, **options: Any) -> tuple[Static, Client]:
    app = bottle.Bottle()
    return app.install(Static(tree / "static", table=tree / "bundled" / "static.json", **options)), Client(app)


def test_what_shrinks_is_compressed_beside_itself(tree: Path) -> None:
    packed = {path.name for path in (tree / "static").rglob("*.gz")}
    assert packed == {"style.css.gz", "large.txt.gz"}
    assert gzip.decompress((tree / "static/css/style.css.gz").read_bytes()) == CSS


def test_addresses_are_known_without_a_look_at_the_files(tree: Path) -> None:
    plain = Static(tree / "static")
    known, _ = served(tree)
    (tree / "static" / "css" / "style.css").write_bytes(CSS[::-1])  # as large as before
    assert known.url("css/style.css") != Static(tree / "static").url("css/style.css")
    for name in ("small.css", "large.txt"):
        assert known.url(name) == plain.url(name)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("br, *", True),
        ("x-gzip", True),
        ("gzip;q=1.000", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity;q=0, gzip", True),
        ("identity;q=0", False),
        ("gzip ;q=0", False),
        ("deflate, gzip;q=1.0, *;q=0", True),
    ],
)
@pytest.mark.parametrize("name", ["css/style.css", "large.txt"])
def test_who_takes_gzip_gets_it(tree: Path, accepted: str, packed: bool, name: str) -> None:
    _, client = served(tree)
    answer = client.get(f"/static/{name}", HTTP_ACCEPT_ENCODING=accepted)
    original = (tree / "static" / name).read_bytes()
    assert answer.header("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(answer.body) if packed else answer.body) == original
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Vary") == "Accept-Encoding"
    assert answer.header("Content-Type") == ("text/css" if name[-3:] == "css" else "text/plain") + "; charset=utf-8"


def test_both_kinds_have_tags_of_their_own(tree: Path) -> None:
    static, client = served(tree)
    address = static.url("css/style.css")
    tags = {}
    for accepted in ("gzip", ""):
        answer = client.get(address, HTTP_ACCEPT_ENCODING=accepted)
        assert answer.header("Cache-Control") == "public, max-age=31536000, immutable"
        tags[accepted] = answer.header("ETag")
    assert tags["gzip"] != tags[""]
    for accepted in tags:
        for tag in tags:
            answer = client.get(address, HTTP_ACCEPT_ENCODING=accepted, HTTP_IF_NONE_MATCH=tags[tag])
            assert answer.status == (304 if tag == accepted else 200)
            assert answer.header("Vary") == "Accept-Encoding"
        both = ", ".join(f"W/{tag}" for tag in tags.values())
        assert client.get(address, HTTP_ACCEPT_ENCODING=accepted, HTTP_IF_NONE_MATCH=both).status == 304
    head = client.ask("HEAD", address, HTTP_ACCEPT_ENCODING="gzip")
    assert (head.header("Content-Encoding"), head.header("ETag"), head.body) == ("gzip", tags["gzip"], b"")


def test_a_part_is_a_part_of_the_file_itself(tree: Path) -> None:
    _, client = served(tree)
    answer = client.get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip", HTTP_RANGE="bytes=0-3")
    assert (answer.status, answer.body) == (206, b"body")
    assert (answer.header("Content-Encoding"), answer.header("Vary")) == (None, "Accept-Encoding")
    packed = client.get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip").header("ETag")
    ranges = {"HTTP_RANGE": "bytes=4-", "HTTP_IF_RANGE": packed}  # of the other kind, so nothing can go on with it
    answer = client.get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip", **ranges)
    assert (answer.status, answer.body, answer.header("Content-Encoding")) == (200, CSS, None)


@pytest.mark.parametrize(
    ("content", "kept"),
    [(CSS[::-1], "no-store"), (b"a {}", "public, max-age=31536000, immutable")],
    ids=["as large as before", "of another size"],
)
def test_a_file_that_was_changed_since_is_served_as_it_is(tree: Path, content: bytes, kept: str) -> None:
    (tree / "static" / "css" / "style.css").write_bytes(content)
    static, client = served(tree)
    answer = client.get(static.url("css/style.css"), HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Content-Encoding"), answer.header("Vary")) == (content, None, None)
    assert answer.header("Cache-Control") == kept


def test_a_large_file_that_was_changed_is_served_as_it_is(tree: Path) -> None:
    path = tree / "static" / "large.txt"
    path.write_bytes(path.read_bytes()[::-1])
    static, client = served(tree)
    answer = client.get(static.url("large.txt"), HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Content-Encoding")) == (path.read_bytes(), None)
    assert answer.header("Cache-Control") == "no-store"


def test_without_its_compressed_neighbour_it_is_served_plain(tree: Path) -> None:
    (tree / "static" / "css" / "style.css.gz").unlink()
    answer = served(tree)[1].get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Content-Encoding")) == (CSS, None)


def test_the_table_is_not_looked_at_in_development(tree: Path) -> None:
    answer = served(tree, development=True)[1].get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip")
    assert (answer.body, answer.header("Vary")) == (CSS, None)


def test_a_compressed_file_of_the_site_s_own_is_used_if_it_is_right(tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        put(tmp_path, f"static/{name}.css", CSS)
    put(tmp_path, "static/right.css.gz", gzip.compress(CSS))
    put(tmp_path, "static/wrong.css.gz", gzip.compress(CSS[1:]))
    statics.write(tmp_path, "static")
    _, client = served(tmp_path)
    for name, encoding in (("right", "gzip"), ("wrong", None)):
        answer = client.get(f"/static/{name}.css", HTTP_ACCEPT_ENCODING="gzip")
        assert answer.header("Content-Encoding") == encoding


# Settings

YAML = """
name: shop
demijohn:
  session: {timeout: 4242}
  memcached.url: [one:1, two:2]
  app:
    deep: {list: [1, 2.5, null, "x"]}
"""


def test_the_settings_are_read_beforehand_with_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "config.yaml", YAML)
    plain = config.load(tmp_path, environ={}, base={"environment": "development"})
    assert settings.write(tmp_path)
    monkeypatch.setattr(document, "read", None)
    fast = config.load(tmp_path, environ={}, base={"environment": "development"})
    assert dict(fast) == dict(plain)
    assert [fast.source(name) for name in fast if name != "app"] == [
        plain.source(name) for name in plain if name != "app"
    ]
    assert fast.source("session.timeout") == "config.yaml:4"
    monkeypatch.undo()
    path.write_text(YAML.replace("4242", "4243"))
    assert config.load(tmp_path, environ={}, base={"environment": "development"})["session.timeout"] == 4243


@pytest.mark.parametrize("text", ["2026-01-02", "{1: one}", ".inf", "!!set {a, b}"])
def test_what_json_cannot_say_is_left_to_yaml(tmp_path: Path, text: str) -> None:
    put(tmp_path, "config.yaml", f"demijohn:\n  app:\n    value: {text}\n")
    assert not settings.write(tmp_path)
    assert not (tmp_path / prepared.FOLDER / prepared.FILE).exists()
