"""Static files through real web servers, each of which sends a file and ends a body in its own way."""

from __future__ import annotations

import email
import http.client
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import Server, serving
from tests.services import PATIENCE

SMALL, LARGE = b"body { color: #123 }\n" * 100, os.urandom(1_000_000)


@pytest.fixture(scope="module", params=["gunicorn-gthread", "waitress", "uwsgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "style.css").write_bytes(SMALL)
    (folder / "large.bin").write_bytes(LARGE)
    with serving(request.param, "tests.apps.files:app", env={"FOLDER": str(folder)}) as server:
        yield server


class Line:
    """One connection, over which one asks again and again: an answer with an end in the wrong place shows."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, Any, bytes]:
        if self._server.name == "uwsgi":  # which closes after each
            self._connection.close()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, headers=named)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server)
    yield line
    line.close()


def test_whole_files_parts_and_heads_on_one_connection(server: Server, line: Line) -> None:
    for _ in range(2):
        for name, content in (("style.css", SMALL), ("large.bin", LARGE)):
            path = f"/static/{name}"
            status, headers, body = line.ask("GET", path)
            assert (status, body, headers["Content-Length"]) == (200, content, str(len(content)))
            tag = headers["ETag"]
            assert line.ask("HEAD", path)[2] == b""
            status, headers, body = line.ask("GET", path, If_None_Match=tag)
            assert (status, body, headers["ETag"], headers["Content-Type"]) == (304, b"", tag, None)
            status, headers, body = line.ask("GET", path, Range="bytes=100-1999", If_Range=tag)
            assert (status, body) == (206, content[100:2000])
            assert headers["Content-Range"] == f"bytes 100-1999/{len(content)}"
            status, headers, body = line.ask("GET", path, Range="bytes=0-99,-100")
            message: Any = email.message_from_bytes(f"Content-Type: {headers['Content-Type']}\n\n".encode() + body)
            parts = [part.get_payload(decode=True) for part in message.get_payload()]
            assert (status, parts) == (206, [content[:100], content[-100:]])
            assert line.ask("GET", path, Range=f"bytes={len(content)}-")[0] == 416
            assert line.ask("GET", path, If_Match='"other"')[0] == 412
            assert line.ask("POST", path)[1]["Allow"] == "GET, HEAD"
    assert "Traceback" not in server.log()


def test_a_path_out_of_the_folder_leads_nowhere(line: Line) -> None:
    for path in (
        "/static/../style.css",
        "/static/%2e%2e/style.css",
        "/static/%2e%2e%2fstyle.css",
        "/static//style.css",
    ):
        assert line.ask("GET", path)[0] in (400, 404)
    assert line.ask("GET", "/static/style.css%00")[0] in (400, 404)
