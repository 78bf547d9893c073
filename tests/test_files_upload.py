"""A large file through a real server into the database and out again: whole, by ranges, and in little memory."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.servers import Server, serving
from tests.services import HOST, PATIENCE

MB = 1024 * 1024
SIZE = 30 * MB
_FORM = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="../film.bin"\r\n\r\n', b"\r\n--cut--\r\n"


def film() -> Iterator[bytes]:
    """30 MB that no compression makes smaller, 64 kB at a time."""
    source = random.Random(30)  # noqa: S311
    for _ in range(SIZE // 65536):
        yield source.randbytes(65536)


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            return Reply(answer.status, answer.headers, answer.read())


def told(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Any:
    answer = ask(server, method, path, body, **headers)
    assert answer.status == 200, answer.body
    return json.loads(answer.body) if answer.body else None


def upload() -> Iterator[bytes]:
    yield _FORM[0]
    yield from film()
    yield _FORM[1]


def send(server: Server) -> Any:
    length = str(SIZE + sum(map(len, _FORM)))
    kind = "multipart/form-data; boundary=cut"
    return told(server, "POST", "/files", upload(), Content_Type=kind, Content_Length=length)


@pytest.mark.parametrize(("server", "kind"), [("gunicorn-gthread", "mariadb"), ("waitress", "postgresql")])
def test_30_mb_go_in_and_out_in_less_than_20_mb(
    server: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(f"{kind}_url")
    peak = [Path("/proc")]  # where the process forgets what it has needed at most
    with serving(server, "tests.apps.films:app", env={"DATABASE_URL": url}, writable=peak) as running:
        # What is imported at the first file is not the file's.
        told(running, "POST", "/files", b"%b0%b" % _FORM, Content_Type="multipart/form-data; boundary=cut")
        told(running, "POST", "/memory")
        before = told(running, "GET", "/memory")["now"]
        file = send(running)
        assert file["size"] == SIZE

        digest = hashlib.sha256()
        for start in range(0, SIZE, MB):
            stop = min(start + MB, SIZE)
            answer = ask(running, "GET", file["url"], Range=f"bytes={start}-{stop - 1}")
            assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/{SIZE}")
            digest.update(answer.body)
        grown = told(running, "GET", "/memory")["most"] - before
        print(f"{server}, {kind}: {grown / MB:.1f} MB more")
        assert grown < 20 * MB
        answer = ask(running, "GET", file["url"])  # of which waitress itself keeps up to 16 MB
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
    assert digest.digest() == hashlib.sha256(answer.body).digest() == hashlib.sha256(b"".join(film())).digest()
