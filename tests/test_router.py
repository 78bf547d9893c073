"""The router of rehearsals, between real visitors and real sites."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from demijohn.hosts import Limits, Proxies
from demijohn.rehearsal.router import Router, routing
from tests.servers import Server, serving
from tests.services import HOST, PATIENCE, until

ONE_PROXY = Proxies(hops=1, client="X-Forwarded-For", scheme="X-Forwarded-Proto")


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """A site under gunicorn that says what it was sent."""
    with serving("gunicorn-gthread", "tests.apps.bodies:app") as server:
        yield server


@contextlib.contextmanager
def rude(act: Callable[[socket.socket, bytes], None], closed: Callable[[], object] = lambda: None) -> Iterator[int]:
    """A server of one connection after the other that reads a head, does what it is told, and hangs up. Its port."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        head = b""
                        while b"\r\n\r\n" not in head:
                            piece = connection.recv(65536)
                            if not piece:
                                break
                            head += piece
                        else:
                            act(connection, head)
                    closed()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextlib.contextmanager
def visiting(router: Router) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(HOST, router.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        yield connection


def raw(router: Router, *sent: bytes) -> bytes:
    """All that comes back to these bytes."""
    with socket.create_connection((HOST, router.port), timeout=PATIENCE) as connection:
        for piece in sent:
            connection.sendall(piece)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    chunked = body is not None and not isinstance(body, bytes)
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    connection.request(method, path, body=body, headers=headers, encode_chunked=chunked)  # type: ignore[arg-type]
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("keep_alive", [None, 90])
def test_one_connection_carries_all_kinds_of_requests(site: Server, keep_alive: float | None) -> None:
    large = bytes(range(256)) * 2000
    with routing(site.port, Limits(keep_alive=keep_alive)) as router, visiting(router) as visitor:
        assert ask(visitor, "GET", "/") == (200, b"ready")
        assert ask(visitor, "HEAD", "/") == (200, b"")
        assert ask(visitor, "POST", "/echo", b"text") == (200, b"text")
        assert ask(visitor, "POST", "/echo", iter([b"in ", b"pieces"])) == (200, b"in pieces")
        assert ask(visitor, "POST", "/echo/large", large) == (200, large)
        assert ask(visitor, "GET", "/nowhere")[0] == 404
        first = visitor.sock
        assert ask(visitor, "GET", "/") == (200, b"ready")
        assert visitor.sock is first
        until(lambda: router.answered == 7, "The router does not count.")
        assert (router.passed, router.lost) == (7, 0)


def test_a_visitor_that_asks_first_is_told_to_go_on(site: Server) -> None:
    with routing(site.port) as router, socket.create_connection((HOST, router.port), timeout=PATIENCE) as visitor:
        head = (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        visitor.sendall(head)
        assert visitor.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
        visitor.sendall(b"text")
        answer = b""
        while piece := visitor.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\ntext")


def test_an_old_visitor_gets_no_chunks() -> None:
    def act(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")

    with rude(act) as port, routing(port) as router:
        old = raw(router, b"GET / HTTP/1.0\r\n\r\n")
        new = raw(router, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert old.endswith(b"\r\n\r\nonetwo")
    assert b"chunked" not in old
    assert new.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_the_hosts_headers_take_the_place_of_forged_ones() -> None:
    seen: list[bytes] = []

    def act(connection: socket.socket, head: bytes) -> None:
        seen.append(head)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    forged = (
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
        b"X-Real-IP: 192.0.2.7\r\nX-Request-Id: short\r\n"
        b"X-Appengine-Cron: true\r\nConnection: close, X-Hop\r\nX-Hop: mine\r\n\r\n"
    )
    with rude(act) as port:
        with routing(port, None, ONE_PROXY) as router:
            raw(router, forged)
        with routing(port, None, Proxies(hops=1, client="X-Real-IP", scheme="X-Forwarded-Proto")) as router:
            raw(router, forged)
        with routing(port) as router:
            raw(router, forged)
            own = str(router.port)
    one, real, none = (head.decode().lower() for head in seen)
    assert "x-forwarded-for: 192.0.2.7, 127.0.0.1\r\n" in one  # added to, as theirs are
    assert one.count("x-forwarded-proto:") == one.count("x-request-id:") == 1
    assert "x-forwarded-proto: http\r\n" in one
    assert "x-forwarded-port: " in one
    assert "short" not in one
    assert "x-appengine-cron" not in one
    assert "x-real-ip: 127.0.0.1\r\n" in real
    assert real.count("x-real-ip") == 1
    assert "x-forwarded-for: 192.0.2.7\r\n" in none  # a host without proxies hands on what it gets
    assert own not in none
    assert not any("x-hop" in head for head in (one, real, none))


def test_a_body_that_is_too_long_is_refused(site: Server) -> None:
    lines: list[str] = []
    with routing(site.port, Limits(body=1000), tell=lines.append) as router:
        for body in (b"a" * 1001, iter([b"a" * 600, b"b" * 600])):
            with visiting(router) as visitor:
                assert ask(visitor, "POST", "/echo", body)[0] == 413
        with visiting(router) as visitor:
            assert ask(visitor, "POST", "/echo", b"a" * 1000)[0] == 200
    assert len(lines) == 2
    assert "/echo" in lines[0]
    assert lines[0].endswith("1000 is the most: 413")


def test_a_site_that_is_silent_is_given_up() -> None:
    release = threading.Event()

    def silent(_connection: socket.socket, _head: bytes) -> None:
        release.wait(PATIENCE)

    def half(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        release.wait(PATIENCE)

    lines: list[str] = []
    with rude(silent) as port, routing(port, Limits(first_byte=0.2), tell=lines.append) as router:
        answer = raw(router, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        release.set()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert lines == ["router: GET /slow: it had no first byte after 0.2 s: 503"]
    release.clear()
    with rude(half) as port, routing(port, Limits(request=2), tell=lines.append) as router:
        answer = raw(router, b"GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
        release.set()
    assert answer.endswith(b"half")
    assert lines[1] == "router: GET /half: it was not done after 2 s: it was cut off"


def test_a_site_that_hangs_up_is_counted_as_a_loss() -> None:
    lines: list[str] = []
    with rude(lambda connection, head: None) as port, routing(port, tell=lines.append) as router:
        assert raw(router, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        assert (router.passed, router.answered, router.lost) == (1, 0, 1)
        router.site = 1  # where nobody listens: not passed on, so not lost
        assert raw(router, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        assert (router.passed, router.lost) == (1, 1)
    assert "the site has hung up" in lines[0]
    assert "the site lets nobody in" in lines[1]


def test_a_cut_answer_does_not_look_whole() -> None:
    def act(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")

    with rude(act) as port, routing(port, tell=lambda line: None) as router:
        answer = raw(router, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert router.lost == 1
    assert answer.endswith(b"3\r\none\r\n")


def test_a_visitor_that_goes_is_no_loss(site: Server) -> None:
    with routing(site.port, tell=lambda line: None) as router:
        with socket.create_connection((HOST, router.port)) as visitor:
            visitor.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
            until(lambda: router.passed == 1, "The request was not passed on.")
        with visiting(router) as other:
            assert ask(other, "GET", "/") == (200, b"ready")
        until(lambda: router.answered == 1, "The router does not count.")
        assert router.lost == 0


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(site: Server, head: bytes) -> None:
    with routing(site.port, tell=lambda line: None) as router:
        assert raw(router, head).startswith(b"HTTP/1.1 400 ")
        assert router.passed == 0


def test_a_resting_connection_that_the_site_has_closed_is_not_used() -> None:
    def act(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # and closes it without a word

    closed = threading.Semaphore(0)
    with rude(act, closed.release) as port, routing(port, Limits(keep_alive=90), tell=lambda line: None) as router:
        for _ in range(3):
            assert raw(router, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").endswith(b"ok")
            assert closed.acquire(timeout=PATIENCE)
