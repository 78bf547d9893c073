"""Requests for files beside what RFC 9110 says of them, in its sections 8, 9, 12, 13, 14 and 15: `static_rows.py`."""

from __future__ import annotations

import email
import hashlib
import os
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import bottle
import pytest

from demijohn.static import Static
from demijohn.static.codings import module_of
from tests.client import Answer, Client
from tests.static_rows import ALL, MAY, MUST, ROWS, SHOULD, Row

CSS = (b"body { color: #123 }\n" * 100)[:2000]
CHANGED = 1_700_000_000
WITHOUT_CONDITIONS = ("Accept-Encoding",)


class Ground:
    """A folder, and two apps that serve it: one answers out of the files, the other what it has prepared."""

    def __init__(self, folder: Path) -> None:
        contents = {"plain": ALL, "style.css": CSS, "empty": b"", "future": ALL, "undated": ALL}
        dates = {"future": time.time() + 86400, "undated": 315532801}
        for name, content in contents.items():
            (folder / name).write_bytes(content)
            os.utime(folder / name, (dates.get(name, CHANGED),) * 2)
        self.contents = contents
        self.clients = [self._client(folder, development) for development in (True, False)]
        for row in ROWS:
            self.plain(row)  # so that the second app has everything prepared

    def _client(self, folder: Path, development: bool) -> Client:
        app = bottle.Bottle()
        app.install(Static(folder, development=development))
        return Client(app)

    def ask(self, asked: str, headers: dict[str, str], client: Client | None = None) -> Answer:
        method, name = asked.split()
        environ: dict[str, Any] = {"HTTP_" + key.upper().replace("-", "_"): value for key, value in headers.items()}
        return (client or self.clients[1]).ask(method, f"/static/{name}", **environ)

    def plain(self, row: Row) -> Answer:
        """The answer to the same request without its conditions."""
        kept = {name: value for name, value in row.headers.items() if name in WITHOUT_CONDITIONS}
        return self.ask(f"GET {row.asked.split()[1]}", kept)

    def words(self, row: Row) -> dict[str, str]:
        tag = self.plain(row).header("ETag") or '"none"'
        said = {"tag": tag, "bare": tag.strip('"'), "shouted": tag.strip('"').upper()}
        for coding in ("identity", "gzip", "br", "zstd"):
            said[coding] = str(self.ask("GET style.css", {"Accept-Encoding": coding}).header("ETag"))
        for name, seconds in (("date", CHANGED), ("before", CHANGED - 1), ("after", CHANGED + 1)):
            moment = datetime.fromtimestamp(seconds, timezone.utc)
            said[name] = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
            said[f"{name}850"] = moment.strftime("%A, %d-%b-%y %H:%M:%S GMT")
            said[f"{name}C"] = moment.strftime("%a %b %e %H:%M:%S %Y")
        year = datetime.now(timezone.utc).year
        said["far"], said["near"] = f"{(year + 60) % 100:02}", f"{(year + 20) % 100:02}"
        return said


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("static"))


def filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], text)


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{n} {row.section} {row.asked[:12]}") for n, row in enumerate(ROWS)]
)
def test_every_must_and_should_holds(ground: Ground, row: Row) -> None:
    words = ground.words(row)
    headers = {name: filled(value, words) for name, value in row.headers.items()}
    for client in ground.clients:
        answer = ground.ask(row.asked, headers, client)
        assert answer.status == row.status
        for name, value in row.answer.items():
            if name == "body":
                assert answer.body == value
            elif name == "parts":
                assert [part for _, part in parts_of(answer)] == list(value)
            elif value == "{not later}":
                date = bottle.parse_date(answer.header(name))
                assert date is not None
                assert date <= time.time()
            else:
                assert answer.header(name) == (None if value is None else filled(value, words))
        check_what_always_holds(ground, row, answer)


def check_what_always_holds(ground: Ground, row: Row, answer: Answer) -> None:
    """What a status asks for, whatever led to it."""
    method, name = row.asked.split()
    whole = ground.plain(row)
    if answer.status in (200, 206, 304):
        # RFC 9110 sections 15.4.5 and 15.3.7: what a cache needs is the same; 8.8.3: a tag is strong unless it says so.
        if answer.status != 206:
            assert answer.header("ETag") in (whole.header("ETag"), ground.ask(f"GET {name}", {}).header("ETag"))
        for always in ("Cache-Control", "Vary"):
            assert answer.header(always) == whole.header(always)
        assert str(answer.header("ETag")).startswith('"')
    if answer.status == 304 or method == "HEAD":
        assert answer.body == b""
    elif answer.status != 405:
        assert answer.header("Content-Length") == str(len(answer.body))  # section 8.6
    if answer.status == 304:
        for gone in ("Content-Type", "Content-Length", "Content-Encoding", "Last-Modified"):
            assert answer.header(gone) is None
    if answer.status == 200 and method == "GET":
        assert unpacked(answer) == ground.contents[name]
    if answer.status == 206:
        check_parts(ground, name, answer)
    if answer.status in (404, 406, 412, 416):
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("ETag") is None


def unpacked(answer: Answer) -> bytes:
    coding = answer.header("Content-Encoding")
    return answer.body if coding is None else bytes(module_of(coding).decompress(answer.body))


def check_parts(ground: Ground, name: str, answer: Answer) -> None:
    """Section 14.4: each says truly where it is from, and no byte comes twice."""
    coding = answer.header("Content-Encoding")
    whole = ground.ask(f"GET {name}", {} if coding is None else {"Accept-Encoding": coding}).body
    seen: list[int] = []
    for place, part in parts_of(answer):
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", place)
        assert match is not None
        first, last, size = (int(digits) for digits in match.groups())
        assert (size, whole[first : last + 1]) == (len(whole), part)
        seen += range(first, last + 1)
    assert len(seen) == len(set(seen))


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """Content-Range and bytes of each part."""
    kind = str(answer.header("Content-Type"))
    if not kind.startswith("multipart/"):
        return [(str(answer.header("Content-Range")), answer.body)]
    assert kind.startswith("multipart/byteranges; boundary=")
    message: Any = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.body)
    assert not message.defects
    parts = message.get_payload()
    assert len(parts) > 1  # section 15.3.7.2
    assert all(part["Content-Type"] == "application/octet-stream" for part in parts)
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in parts]


def test_the_table_is_whole() -> None:
    """So many cases, all different, and each says where it is from."""
    assert len(ROWS) >= 200
    assert len({repr(row) for row in ROWS}) >= len(ROWS) - 1
    assert {row.level for row in ROWS} == {MUST, SHOULD, MAY}
    chapters = {row.section.split(".")[0] for row in ROWS}
    assert {"8", "12", "13", "14"} <= chapters


def test_two_builds_of_the_same_bytes_have_the_same_tags(tmp_path: Path) -> None:
    """On other machines, at other times; and each coding has a tag of its own."""
    found: list[tuple[str, list[str | None]]] = []
    for build in ("one", "two"):
        folder = tmp_path / build
        folder.mkdir()
        (folder / "style.css").write_bytes(CSS)
        os.utime(folder / "style.css", (CHANGED + len(found), CHANGED + len(found)))
        app = bottle.Bottle()
        static, client = app.install(Static(folder)), Client(app)
        tags = [
            client.get("/static/style.css", HTTP_ACCEPT_ENCODING=coding).header("ETag")
            for coding in ("identity", "gzip", "br", "zstd")
        ]
        found.append((static.url("style.css"), tags))
    assert found[0] == found[1]
    assert len(set(found[0][1])) == 4
    assert found[0][1][0] == f'"{hashlib.blake2b(CSS, digest_size=16).hexdigest()}"'
