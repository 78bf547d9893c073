"""A private Redis."""

from __future__ import annotations

import socket
from typing import ClassVar

from tests.services.process import Service, program


class Redis(Service):
    """Redis that keeps nothing on disk."""

    name: ClassVar[str] = "redis"

    def command(self) -> list[str]:
        path = program("redis-server", "redis-server")
        return [path, "--bind", self.host, "--port", str(self.port), "--dir", str(self.folder), "--save", ""]

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def answers(self) -> bool:
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, command: str) -> str:
        """The first line of the answer to a command: `ask("FLUSHALL")` is `+OK`."""
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode())
            with connection.makefile("rb") as answer:
                return answer.readline().decode().rstrip("\r\n")
