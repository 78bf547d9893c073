"""A way to a server that can be cut, while the server goes on and remembers."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.services import HOST, free_port


class Wire:
    """`with Wire(server.port) as wire:` whoever connects to `wire.address` speaks to the server."""

    def __init__(self, port: int) -> None:
        self.address = f"{HOST}:{free_port()}"
        self._port = port
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Wire:
        self.mend()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()

    def mend(self) -> None:
        door = socket.create_server((HOST, int(self.address.rpartition(":")[2])))
        self._sockets.append(door)
        self._begin(self._let_in, door)

    def cut(self) -> None:
        """End all connections, and take no new ones."""
        for end in self._sockets[:1]:
            end.shutdown(socket.SHUT_RDWR)  # which wakes whoever waits there
        for thread in self._threads[:1]:
            thread.join()  # and lets nobody in any more
        for end in self._sockets[1:]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for end in self._sockets:
            end.close()
        self._sockets, self._threads = [], []

    def _let_in(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                self._sockets.append(near)
                far = socket.create_connection((HOST, self._port))
                self._sockets.append(far)
                self._begin(_pass_on, near, far)
                self._begin(_pass_on, far, near)

    def _begin(self, work: object, *ends: socket.socket) -> None:
        thread = threading.Thread(target=work, args=ends)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
