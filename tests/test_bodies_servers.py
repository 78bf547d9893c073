"""The same bytes to every server, the same answer from each."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.apps.bodies import LIMIT
from tests.servers import SERVERS, Server, serving
from tests.services.process import HOST, PATIENCE

HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LOOKS_LIKE_FRAMING = b"\r\n0\r\n\r\n5\r\nhello\r\n" * 512  # 8704 bytes


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving(request.param, "tests.apps.bodies:app") as server:
        yield server
        assert "Traceback" not in server.log()


class Reply(NamedTuple):
    status: int  # 0: the connection was closed without an answer
    body: bytes


def send(server: Server, data: bytes, *, and_close: bool = True) -> Reply:
    """Send `data` as it is, then nothing more."""
    reply = bytearray()
    with socket.create_connection((HOST, server.port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(data)
            if and_close:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                reply += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # reset: the server has closed while bytes were still on their way to it
    head, _, body = bytes(reply).partition(b"\r\n\r\n")
    return Reply(int(head.split()[1]) if head else 0, body)


def chunks(*pieces: bytes) -> bytes:
    return CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


GOOD = {
    "no body": (HEAD + b"\r\n", b""),
    "a length": (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "a length and more bytes than that": (HEAD + b"Content-Length: 5\r\n\r\nhello, world", b"hello"),
    "one chunk": (chunks(b"hello"), b"hello"),
    "no chunk": (chunks(), b""),
    "small chunks": (chunks(*[b"x"] * 500), b"x" * 500),
    "large chunks": (chunks(*[LOOKS_LIKE_FRAMING] * 11), LOOKS_LIKE_FRAMING * 11),
    "one large chunk": (chunks(LOOKS_LIKE_FRAMING * 11), LOOKS_LIKE_FRAMING * 11),
    "as much as may be": (chunks(bytes(LIMIT)), bytes(LIMIT)),
    "digits of both cases": (CHUNKED + b"0a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    "many zeros": (CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "an extension": (CHUNKED + b'5;a=b;c="d e"\r\nhello\r\n0;e\r\n\r\n', b"hello"),
    "a trailer": (CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 12\r\nX-More:\r\n\r\n", b"hello"),
    "chunked in capitals": (HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
}
# uWSGI's own parser knows no extensions.
REFUSED = {("an extension", "uwsgi")}


@pytest.mark.parametrize("case", GOOD)
def test_a_whole_body_arrives_whole(server: Server, case: str) -> None:
    data, content = GOOD[case]
    reply = send(server, data)
    if (case, server.name) in REFUSED:
        assert reply == (400, b"The body of the request was cut off or damaged on its way.")
    else:
        assert reply == (200, content)


# With each, the servers whose own decoder lets it pass; no one can see it behind them.
DAMAGED: dict[str, tuple[bytes, set[str]]] = {
    "less than its length": (HEAD + b"Content-Length: 50\r\n\r\nhello", set()),
    "a length that is a word": (HEAD + b"Content-Length: five\r\n\r\nhello", set()),
    "a length below nothing": (HEAD + b"Content-Length: -5\r\n\r\nhello", set()),
    "a length and chunks": (
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        {"waitress", "cheroot", "uwsgi"},
    ),
    "cut off before the first chunk": (CHUNKED, set()),
    "cut off in a chunk": (CHUNKED + b"5\r\nhe", set()),
    "cut off after a chunk": (CHUNKED + b"5\r\nhello\r\n", set()),
    "cut off in a size": (CHUNKED + b"5\r\nhello\r\n1", set()),
    "cut off at the end": (CHUNKED + b"5\r\nhello\r\n0\r\n", {"cheroot", "uwsgi"}),
    "not chunked at all": (CHUNKED + b"hello, world\r\n\r\n", {"uwsgi"}),
    "a size that is none": (CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", {"uwsgi"}),
    "a size that is empty": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", {"uwsgi"}),
    "a size below nothing": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", {"cheroot"}),
    "a size with a sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", {"cheroot"}),
    "a size with an underscore": (CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n", {"cheroot"}),
    "a size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", {"cheroot", "uwsgi"}),
    "a size too small": (CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", set()),
    "a size too large": (CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", {"uwsgi"}),
    "a size of 2 GB": (CHUNKED + b"7fffffff\r\nhello\r\n0\r\n\r\n", set()),
    "a line end without CR": (CHUNKED + b"5\nhello\n0\n\n", set()),
    "a control character": (CHUNKED + b"5;a=\x01\r\nhello\r\n0\r\n\r\n", {"cheroot"}),
    "a trailer that is none": (
        CHUNKED + b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        {"waitress", "cheroot", "uwsgi"},
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_body_reaches_no_handler(server: Server, case: str) -> None:
    data, lenient = DAMAGED[case]
    status, body = send(server, data)
    if server.name in lenient:
        assert status in (200, 400)
    else:
        assert status in (400, 0)
        assert b"hello" not in body
    if server.name == "wsgiref":
        assert status == 400
        assert b"cut off" in body or b"The Content-Length" in body or b"both a Content-Length" in body


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"x-chunked"])
def test_another_transfer_coding_is_refused(server: Server, coding: bytes) -> None:
    data = HEAD + b"Transfer-Encoding: " + coding + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert send(server, data).status in (400, 501)


def test_a_length_over_the_limit_is_refused_unread(server: Server) -> None:
    if server.name == "waitress":
        pytest.skip("waitress calls no app before it has the whole body.")
    reply = send(server, HEAD + b"Content-Length: 99000000\r\n\r\n", and_close=False)
    assert reply.status == 413
    assert reply.body.startswith(b"That is too large: 100,000 bytes can be sent here at most.")


@pytest.mark.parametrize("data", [chunks(bytes(LIMIT + 1)), HEAD + b"Content-Length: 100001\r\n\r\n" + bytes(100001)])
def test_more_than_the_limit_reaches_no_handler(server: Server, data: bytes) -> None:
    assert send(server, data).status in (413, 0)


def test_the_next_request_finds_the_server_well(server: Server) -> None:
    for data, _ in DAMAGED.values():
        send(server, data)
    assert send(server, chunks(b"hello")) == (200, b"hello")
