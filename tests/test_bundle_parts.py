"""What the parts of a site make of what a bundle has prepared for them: static files, settings."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import bottle
import brotli  # type: ignore[import-untyped]
import pytest

from demijohn import config
from demijohn.config import document, prepared
from demijohn.deploy.bundle import settings, statics
from demijohn.static import Static
from demijohn.static.files import SMALL
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
    packed = {path.name for suffix in ("gz", "br") for path in (tree / "static").rglob(f"*.{suffix}")}
    assert packed == {"style.css.gz", "large.txt.gz", "style.css.br", "large.txt.br"}
    assert gzip.decompress((tree / "static/css/style.css.gz").read_bytes()) == CSS
    assert brotli.decompress((tree / "static/css/style.css.br").read_bytes()) == CSS
    _, client = served(tree)
    assert [client.get(f"/static/css/style.css{suffix}").status for suffix in ("", ".gz", ".br")] == [200, 404, 404]


def test_addresses_are_known_without_a_look_at_the_files(tree: Path) -> None:
    plain = Static(tree / "static")
    known, _ = served(tree)
    (tree / "static" / "css" / "style.css").write_bytes(CSS[::-1])  # as large as before
    assert known.url("css/style.css") != Static(tree / "static").url("css/style.css")
    for name in ("small.css", "large.txt"):
        assert known.url(name) == plain.url(name)


@pytest.mark.parametrize(
    ("accepted", "suffix"),
    [("gzip", ".gz"), ("gzip, deflate, br, zstd", ".br"), ("gzip, br;q=0.9", ".gz"), ("", ""), ("deflate", "")],
)
@pytest.mark.parametrize("name", ["css/style.css", "large.txt"])
def test_what_is_sent_is_what_lies_there(tree: Path, accepted: str, suffix: str, name: str) -> None:
    _, client = served(tree)
    for _ in range(2):  # looked for, and looked up
        answer = client.get(f"/static/{name}", HTTP_ACCEPT_ENCODING=accepted)
        assert answer.header("Content-Encoding") == {".gz": "gzip", ".br": "br", "": None}[suffix]
        assert answer.body == (tree / "static" / f"{name}{suffix}").read_bytes()
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
    whole = (tree / "static/css/style.css.gz").read_bytes()
    ranges = {"HTTP_RANGE": "bytes=4-", "HTTP_IF_RANGE": packed}  # the rest of what the visitor has
    answer = client.get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip", **ranges)
    assert (answer.status, answer.body, answer.header("Content-Encoding")) == (206, whole[4:], "gzip")
    answer = client.get("/static/css/style.css", **ranges)  # who does not take it any more starts again
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
    coding = answer.header("Content-Encoding")
    assert (gzip.decompress(answer.body) if coding else answer.body) == content
    assert answer.header("Cache-Control") == kept


def test_a_large_file_that_was_changed_is_served_as_it_is(tree: Path) -> None:
    path = tree / "static" / "large.txt"
    path.write_bytes(path.read_bytes()[::-1])
    static, client = served(tree)
    answer = client.get(static.url("large.txt"), HTTP_ACCEPT_ENCODING="gzip")
    assert (gzip.decompress(answer.body), answer.header("Content-Encoding")) == (path.read_bytes(), "gzip")
    assert answer.header("Cache-Control") == "no-store"


def test_without_its_compressed_neighbour_it_is_compressed_on_the_way(tree: Path) -> None:
    (tree / "static" / "css" / "style.css.gz").unlink()
    answer = served(tree)[1].get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip")
    assert (gzip.decompress(answer.body), answer.header("Content-Encoding")) == (CSS, "gzip")


def test_the_table_is_not_looked_at_in_development(tree: Path) -> None:
    beside = (tree / "static" / "css" / "style.css.gz").read_bytes()
    answer = served(tree, development=True)[1].get("/static/css/style.css", HTTP_ACCEPT_ENCODING="gzip")
    assert gzip.decompress(answer.body) == CSS
    assert answer.body != beside  # packed here, and less hard


def test_a_compressed_file_of_the_site_s_own_is_used_if_it_is_right(tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        put(tmp_path, f"static/{name}.css", CSS)
    own = gzip.compress(CSS, 1)
    put(tmp_path, "static/right.css.gz", own)
    put(tmp_path, "static/wrong.css.gz", gzip.compress(CSS[1:]))
    put(tmp_path, "static/wrong.css.br", b"nonsense")
    statics.write(tmp_path, "static")
    _, client = served(tmp_path)
    assert client.get("/static/right.css", HTTP_ACCEPT_ENCODING="gzip").body == own
    for coding, unpack in (("gzip", gzip.decompress), ("br", brotli.decompress)):
        assert unpack(client.get("/static/wrong.css", HTTP_ACCEPT_ENCODING=coding).body) == CSS
    assert client.get("/static/right.css.gz").body == own  # the site's own, so it is a file of its own, too


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
