"""Bodies that do not come to their end, under real servers: cut off, or so slow that nobody should wait. Nothing of
them is kept, neither a row nor a file, and the server is there for the others."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import Server
from tests.services.process import HOST, PATIENCE, until
from tests.uploads import uploads

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\n' + b"\xff" * 20_000 + b"\r\n"
    b'--b\r\nContent-Disposition: form-data; name="z"\r\n\r\nlast\r\n--b--\r\n'
)
MULTIPART = b"Content-Type: multipart/form-data; boundary=b\r\n"
PLAIN = b"Content-Type: application/x-www-form-urlencoded\r\n"
JSON = b"Content-Type: application/json\r\n"


class Sent(NamedTuple):
    """A request that would be right if all of it came, and how many rows it would leave."""

    target: bytes
    kind: bytes
    body: bytes
    rows: int

    def head(self, framing: bytes) -> bytes:
        first = b"%b HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n" % self.target
        return first + self.kind + framing + b"\r\n"

    def whole(self) -> bytes:
        return self.head(b"Content-Length: %d\r\n" % len(self.body)) + self.body

    def chunked(self) -> bytes:
        middle = len(self.body) // 2
        chunks = [self.body[:middle], self.body[middle:]] if middle else [self.body]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        return self.head(b"Transfer-Encoding: chunked\r\n") + framed + b"0\r\n\r\n"


WAYS = {
    "form": Sent(b"POST /form", MULTIPART, FORM, 3),
    "plain form": Sent(b"POST /form", PLAIN, b"a=1&b=2&c=3", 3),
    "streamed form": Sent(b"POST /form/streamed", MULTIPART, FORM, 3),
    "swallowed form": Sent(b"POST /form/swallowed", MULTIPART, FORM, 3),
    "json": Sent(b"POST /json", JSON, b"[1, 2, 3]", 1),
    "raw": Sent(b"PUT /raw", b"", b"x" * 9_000, 1),
    "streamed raw": Sent(b"PUT /raw/streamed", b"", b"x" * 90_000, 1),
}


class Place(NamedTuple):
    server: Server
    folder: Path

    def kept(self) -> tuple[int, list[str]]:
        reply = exchange(self, b"GET /kept HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return int(reply.rpartition(b"\r\n\r\n")[2]), os.listdir(self.folder / "files")


@pytest.fixture(scope="module", params=["wsgiref", "gunicorn-gthread", "waitress", "uwsgi"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("uploads")
    options = ["--threads=4"] if request.param == "uwsgi" else []
    with uploads(request.param, folder, *options, DEMIJOHN_BODY_TIMEOUT="2") as server:
        yield Place(server, folder)
        assert "Traceback" not in server.log()


def exchange(place: Place, *pieces: bytes, finish: bool = True) -> bytes:
    """Send the pieces, and after them nothing more. What is answered; nothing if the connection is closed."""
    with socket.create_connection((HOST, place.server.port), timeout=PATIENCE) as connection:
        reply = b""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
            if finish:
                with contextlib.suppress(OSError):  # it has hung up already
                    connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                reply += data
        return reply


def status(reply: bytes) -> int:
    return int(reply.split()[1]) if reply else 0


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_kept_of_what_was_cut_off(place: Place, way: str) -> None:
    sent = WAYS[way]
    rows, files = place.kept()
    for data in (sent.whole(), sent.chunked()):
        head = data.index(b"\r\n\r\n") + 4
        # The last two bytes of a chunked body are an end that some servers do without.
        for end in (head, head + 5, head + (len(data) - head) // 2, len(data) - 7, len(data) - 4):
            reply = exchange(place, data[:end])
            assert status(reply) in (400, 0), (end, reply[:200])
    # Whole by its length, and yet half of a form.
    if sent.kind == MULTIPART:
        for end in (0, 30, 60, 5_000, len(sent.body) - 20, len(sent.body) - 4):
            reply = exchange(place, sent._replace(body=sent.body[:end]).whole())
            assert status(reply) == 400, (end, reply[:200])
    assert place.kept() == (rows, files)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_whole_is_kept(place: Place, way: str) -> None:
    sent = WAYS[way]
    for data in (sent.whole(), sent.chunked()):
        rows, _ = place.kept()
        assert status(exchange(place, data)) == 200
        assert place.kept()[0] == rows + sent.rows
    if sent.kind == MULTIPART:
        assert (place.folder / "files" / "f.bin").stat().st_size in (20_000, len(b"whole"))
        (place.folder / "files" / "f.bin").unlink()


def slowly(place: Place, first: bytes, *, silent: bool = False) -> bytes:
    """Send the first bytes, and then one now and then until there is an answer."""
    with socket.create_connection((HOST, place.server.port), timeout=PATIENCE) as connection:
        connection.sendall(first)
        connection.settimeout(0.1)
        reply, until = b"", time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if not (data := connection.recv(65536)):
                    return reply
                reply += data
            except TimeoutError:
                if not silent and not reply:
                    with contextlib.suppress(ConnectionError):
                        connection.sendall(b"x")
            except ConnectionError:
                return reply
        pytest.fail(f"No end after {PATIENCE:g} s, but {reply[:200]!r}")


def test_nobody_waits_for_a_slow_body(place: Place) -> None:
    # waitress closes a connection that is silent when its channel_timeout is over, 120 s. No thread waits for it.
    hows = ("drop by drop", "chunk by chunk") if place.server.name == "waitress" else ("drop by drop", "not at all")
    cases = [(WAYS[way], how) for way in ("form", "streamed form", "swallowed form", "streamed raw") for how in hows]
    cases.append((WAYS["raw"], "chunk by chunk"))
    before = place.kept()

    def answer(case: tuple[Sent, str]) -> bytes:
        sent, how = case
        data = sent.chunked() if how == "chunk by chunk" else sent.whole()
        return slowly(place, data[: data.index(b"\r\n\r\n") + 20], silent=how == "not at all")

    with ThreadPoolExecutor(len(cases)) as threads:
        for case, reply in zip(cases, threads.map(answer, cases), strict=True):
            assert status(reply) == 408, (case, reply[:300])
            assert b"body.timeout and body.rate" in reply
    assert place.kept() == before


def test_the_slow_do_not_keep_the_others_from_being_answered(place: Place) -> None:
    data = WAYS["form"].whole()
    with contextlib.ExitStack() as stack:
        for _ in range(8):  # more than there are threads
            connection = stack.enter_context(socket.create_connection((HOST, place.server.port), timeout=PATIENCE))
            connection.sendall(data[:-100])
        until(lambda: status(exchange(place, data)) == 200, "The server answers nobody but the slow.")
    place.folder.joinpath("files", "f.bin").unlink()


def test_a_body_may_take_longer_than_the_timeout_if_it_comes_fast_enough(place: Place) -> None:
    """90,000 bytes at 4 KiB a second buy 22 s beside the first two."""
    data = WAYS["streamed raw"].whole()
    with socket.create_connection((HOST, place.server.port), timeout=PATIENCE) as connection:
        connection.sendall(data[:-8])
        for byte in data[-8:]:
            time.sleep(0.4)  # longer than the timeout in all: it is the time itself that is tested
            connection.sendall(bytes((byte,)))
        reply = b""
        while piece := connection.recv(65536):
            reply += piece
    assert status(reply) == 200
