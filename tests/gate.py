"""A gate before a database server, where a connection can be cut at an exact point of what it carries."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import sqlalchemy

from tests.services import HOST, PATIENCE, free_port


class Gate:
    """`with Gate(server.port) as gate:` whoever connects to `gate.port` speaks to the server.

    A trap waits for a text in what a client sends, such as `COMMIT`, and springs once:

    gate.before("COMMIT", gate.cut)   # the server never hears of it
    gate.after("COMMIT", gate.cut)    # the server has carried it out, and its answer is lost
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        #: How many connections have come so far, those among them that were turned away.
        self.connections = 0
        self._server = port
        self._turns_away = False
        self._acts = False
        #: Set when an answer has come that is not to be passed on.
        self._swallowing: threading.Event | None = None
        self._trap: tuple[bytes, bool, Callable[[], object]] | None = None
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._door: socket.socket | None = None

    def url(self, url: str) -> str:
        """The same database by this gate."""
        address = sqlalchemy.make_url(url).set(host=HOST, port=self.port)
        return address.render_as_string(hide_password=False)

    def before(self, text: str, act: Callable[[], object]) -> None:
        """Act when a client sends this, and before the server hears of it."""
        self._trap = (text.encode(), False, act)

    def after(self, text: str, act: Callable[[], object]) -> None:
        """Act when the server has answered this, and before the client hears the answer."""
        self._trap = (text.encode(), True, act)

    @property
    def has_sprung(self) -> bool:
        """Whether the last trap was met, and what was to be done then is done."""
        return self._trap is None and not self._acts

    def cut(self) -> None:
        """End all connections. New ones are let in."""
        with self._lock:
            ends, self._sockets = self._sockets, []
        for end in ends:
            _cut(end)

    def close(self) -> None:
        """End all connections. New ones are refused, as where nothing listens."""
        door, self._door = self._door, None
        if door is not None:
            _cut(door)
            door.close()
        self.cut()

    def turn_away(self) -> None:
        """End all connections. New ones are let in and ended at once, as by a balancer that has lost its server."""
        self._turns_away = True
        self.cut()

    def open(self) -> None:
        """Let everybody in."""
        self._turns_away = False
        if self._door is None:
            self._door = socket.create_server((HOST, self.port), backlog=128)
            self._begin(self._let_in, self._door)

    def __enter__(self) -> Gate:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _let_in(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                self.connections += 1
                if self._turns_away:
                    near.close()
                    continue
                try:
                    far = socket.create_connection((HOST, self._server))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._sockets += [near, far]
                heard = threading.Event()
                self._begin(self._carry, near, far, heard)
                self._begin(self._answer, far, near, heard)

    def _carry(self, near: socket.socket, far: socket.socket, answered: threading.Event) -> None:
        with near, contextlib.suppress(OSError):
            while data := near.recv(65536):
                trap = self._trap
                if trap is None or trap[0] not in data:
                    far.sendall(data)
                    continue
                self._acts, self._trap = True, None
                _, late, act = trap
                if late:
                    answered.clear()
                    self._swallowing = answered
                    far.sendall(data)
                    answered.wait(PATIENCE)
                    act()
                    self._swallowing, self._acts = None, False
                else:
                    act()
                    self._acts = False
                    far.sendall(data)
        _cut(far)

    def _answer(self, far: socket.socket, near: socket.socket, answered: threading.Event) -> None:
        with far, contextlib.suppress(OSError):
            while data := far.recv(65536):
                if self._swallowing is answered:
                    answered.set()
                else:
                    near.sendall(data)
        _cut(near)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # which wakes whoever reads from it
