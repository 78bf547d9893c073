"""Visitors of `tests.apps.traffic`, on sockets of their own: polite ones, and those who hang up."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.services import HOST

#: Seconds in which any answer must have come.
_PATIENCE = 60

#: What visitors ask for who wait for the whole answer, and the status that each must get.
POLITE = {
    ("GET", "/read"): 200,
    ("HEAD", "/read"): 200,
    ("GET", "/visits"): 200,
    ("POST", "/write"): 200,
    ("POST", "/redirect"): 303,
    ("POST", "/abort"): 409,
    ("POST", "/returned"): 422,
    ("POST", "/boom"): 500,
    ("POST", "/template"): 500,
    ("POST", "/upload"): 200,
    ("HEAD", "/stream"): 200,
    ("GET", "/nowhere"): 404,
}
#: What it takes to be rude.
RUDE = ("cut /stream", "cut /late", "cut upload", "unheard", "/broken-stream")


@contextlib.contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, port), timeout=_PATIENCE) as connection:
        yield connection


def _reset(connection: socket.socket) -> None:
    """Have the connection cut, not ended, as it is closed: the server gets RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _head(method: str, path: str, length: int) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def ask(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request; its status, 0 where there was none, and the rest of the answer."""
    with _connected(port) as connection:
        connection.sendall(_head(method, path, len(body)) + body)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), rest


def status(port: int) -> dict[str, Any]:
    """What the app says of its pool."""
    found: dict[str, Any] = json.loads(ask(port, "GET", "/status")[1])
    return found


def cut_stream(port: int, path: str) -> None:
    """Read the beginning of an answer and cut the connection."""
    with _connected(port) as connection:
        connection.sendall(_head("GET", path, 0))
        connection.recv(random.choice((1, 4096, 65536)))  # noqa: S311
        _reset(connection)


def cut_upload(port: int, politely: bool = False) -> None:
    """Send half of a body and go."""
    with _connected(port) as connection:
        connection.sendall(_head("POST", "/upload", 2000) + b"x" * 1000)
        if not politely:
            _reset(connection)


def unheard(port: int) -> None:
    """Ask, and go before the answer comes."""
    with _connected(port) as connection:
        connection.sendall(_head("POST", "/abort", 0))
        _reset(connection)


class Traffic:
    """Many requests of all kinds, by several visitors at once.

    :param port: of the server on HOST.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        #: How many of each kind.
        self.asked: Counter[str] = Counter()
        #: How many were answered as they should be.
        self.answered: Counter[str] = Counter()
        self.wrongs: list[str] = []
        #: Seconds that the whole took, and the slowest answer.
        self.took = self.slowest = 0.0

    def run(self, requests: int, visitors: int = 12) -> None:
        began = time.monotonic()
        each = [requests // visitors + (number < requests % visitors) for number in range(visitors)]
        threads = [threading.Thread(target=self._visit, args=(number, count)) for number, count in enumerate(each)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.took = time.monotonic() - began

    def _visit(self, number: int, requests: int) -> None:
        chance = random.Random(number)  # noqa: S311
        polite = list(POLITE)
        for _ in range(requests):
            if len(self.wrongs) > 20:
                return
            if chance.random() < 0.25:
                kind = chance.choice(RUDE)
                self._note(kind, self._rude(kind))
                continue
            method, path = chance.choice(polite)
            self._note(f"{method} {path}", self._expect(method, path, POLITE[method, path]))

    def _rude(self, kind: str) -> Callable[[], str | None]:
        def act() -> str | None:
            match kind:
                case "cut upload":
                    cut_upload(self._port, politely=random.random() < 0.5)  # noqa: S311
                case "unheard":
                    unheard(self._port)
                case "/broken-stream":
                    ask(self._port, "GET", kind)
                case _:
                    cut_stream(self._port, kind.removeprefix("cut "))
            return None

        return act

    def _expect(self, method: str, path: str, wanted: int) -> Callable[[], str | None]:
        def act() -> str | None:
            found, rest = ask(self._port, method, path, b"y" * 1000 if path == "/upload" else b"")
            return None if found == wanted else f"{method} {path}: {found} {rest[:200]!r}"

        return act

    def _note(self, kind: str, act: Callable[[], str | None]) -> None:
        began = time.monotonic()
        try:
            wrong = act()
        except OSError as error:
            wrong = f"{kind}: {error!r}"
        took = time.monotonic() - began
        with self._lock:
            self.asked[kind] += 1
            self.slowest = max(self.slowest, took)
            if wrong is None:
                self.answered[kind] += 1
            else:
                self.wrongs.append(wrong)
