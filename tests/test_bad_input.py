"""What nobody should send, to the site of this repository under every server: a 4xx with a sentence, nothing worse."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import SERVERS, Server, serving
from tests.services import HOST, PATIENCE
from tests.sites import ROOT, clean_environment

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module", params=[server for server in SERVERS if server != "uwsgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("site") / "data.sqlite"
    settings = {"DEMIJOHN_ENV": "production", "SECRET_KEY": "x" * 32, "DATABASE_URL": f"sqlite:///{file}"}
    command = [sys.executable, "-m", "demijohn", "db", "create"]
    subprocess.run(command, cwd=ROOT, env=clean_environment(**settings), check=True, capture_output=True)
    with serving(request.param, "main:app", env=settings) as server:
        yield server
        assert "Traceback" not in server.log()


def ask(server: Server, text: bytes) -> tuple[int, str]:
    """Send bytes as they are. The status and the body of the answer."""
    answer = b""
    with socket.create_connection((HOST, server.port), timeout=PATIENCE) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    match = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    assert match is not None, answer[:200]
    return int(match[1]), body.decode(errors="replace")


def get(path: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path: str, kind: str, body: bytes, *headers: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1".encode(),
        b"Host: localhost",
        b"Connection: close",
        b"Content-Type: " + kind.encode(),
        *(headers or [b"Content-Length: %d" % len(body)]),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    "path of no text": get(b"/%ff%fe"),
    "path half encoded": get(b"/%e2%82"),
    "path that is not there": get(b"/%"),
    "path with a percent sign and nothing": get(b"/%zz"),
    "page that is no number": get(b"/?page=one"),
    "page of no text": get(b"/?page=%ff"),
    "query of no text": get(b"/?q=%c3%28"),
    "query with a null": get(b"/?q=%00"),
    "form of no text": post("/sign-in", FORM, b"name=%ff&password=%fe"),
    "form of raw bytes": post("/sign-in", FORM, b"name=\xff\xfe"),
    "form with nothing in it": post("/sign-up", FORM, b"&&&&=&=="),
    "form of thousands of fields": post("/sign-up", FORM, b"a=1&" * 5000),
    "form too large": post("/sign-up", FORM, b"name=" + b"x" * (5 * 1024 * 1024)),
    "multipart without a boundary": post("/sign-in", "multipart/form-data", b"x"),
    "multipart without an end": post(
        "/sign-in", MULTIPART, b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx'
    ),
    "multipart of rubbish": post("/sign-in", MULTIPART, b"\x00\xff" * 100),
    "multipart with a broken header": post("/sign-in", MULTIPART, b"--b\r\n\x00: \x01\r\n\r\nx\r\n--b--\r\n"),
    "multipart of no text": post(
        "/sign-in", MULTIPART, b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\n'
    ),
    "an unknown character set": post("/sign-in", MULTIPART + "; charset=nonsense", b"x"),
    "a body cut short": post("/sign-in", FORM, b"name=x", b"Content-Length: 500"),
    "chunks of rubbish": post("/sign-in", FORM, b"zz\r\nname=x\r\n0\r\n\r\n", CHUNKED),
    "chunks without an end": post("/sign-in", FORM, b"6\r\nname=x\r\n", CHUNKED),
    "a wrong kind of request": post("/static/style.css", FORM, b""),
}
#: Seen by nobody but the session, which passes over what it does not know.
HARMLESS = {
    "cookie of no text": get(b"/", b"Cookie: session=\xff\xfe\x01"),
    "cookie of signs": get(b"/", b'Cookie: =;;; ; a; b=c=d"; session="; session=;,'),
    "cookie of another site": get(b"/", b"Cookie: session=" + b"a" * 43 + b"." + b"b" * 24),
    "cookie of great length": get(b"/", b"Cookie: session=" + b"x" * 4000),
    "JSON where none is wanted": get(b"/", b"Content-Type: application/json"),
    "a strange kind of content": get(b"/", b"Content-Type: ;;;=;"),
    "chunks": post("/sign-out", FORM, b"3\r\na=b\r\n0\r\n\r\n", CHUNKED),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence(server: Server, case: str) -> None:
    if server.name == "waitress" and case in ("a body cut short", "chunks without an end"):
        pytest.skip("waitress asks no app before the whole body is there, and hangs up in silence if it never is")
    status, body = ask(server, REFUSED[case])
    assert 400 <= status < 500, (status, body)
    assert "Traceback" not in body
    words = re.sub(r"<(style|head)\b.*?</\1>|<[^>]+>", " ", body, flags=re.S | re.I)
    assert len(words.split()) >= 2, body


@pytest.mark.parametrize("case", HARMLESS)
def test_passed_over(server: Server, case: str) -> None:
    status, body = ask(server, HARMLESS[case])
    assert status < 400 or (status == 400 and server.name != "wsgiref"), (status, body)
    assert "Traceback" not in body


def test_json(tmp_path: Path) -> None:
    """The site takes no JSON; this one does."""
    app = tmp_path / "takes_json.py"
    app.write_text(
        "from demijohn import Site, request\n"
        f"site = Site({str(tmp_path)!r}, {{'environment': 'production', 'secret': 'x' * 32}})\n"
        "@site.post('/')\n"
        "def take():\n"
        "    return {'taken': request.json}\n"
    )
    bodies = [b"{", b"[" * 100_000, b"\xff\xfe", b'{"a": "\\ud800"}', b"NaN", b'"' + b"x" * (5 * 1024 * 1024) + b'"']
    with serving("gunicorn-gthread", "takes_json:site", env={"PYTHONPATH": str(tmp_path)}) as server:
        for body in bodies:
            status, text = ask(server, post("/", "application/json", body))
            assert status in (400, 413), (body[:20], text)
            assert "detail" in text
            assert "Traceback" not in text
        assert ask(server, post("/", "application/json", b'{"a": [1]}')) == (200, '{"taken": {"a": [1]}}')
        assert "Traceback" not in server.log()
