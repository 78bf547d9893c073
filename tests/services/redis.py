"""A private Redis."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from typing import ClassVar

from tests.services.process import Seen, Service, program

COMMAND = re.compile(r"\+[\d.]+ \[\d+ (?!lua\])[^\]]*\] (.*?)\s*")
END = "the end of the block"


class Redis(Service):
    """Redis that keeps nothing on disk. `Redis("--requirepass", "secret")` wants a password."""

    name: ClassVar[str] = "redis"

    def command(self) -> list[str]:
        path = program("redis-server", "redis-server")
        return [path, "--bind", self.host, "--port", str(self.port), "--dir", str(self.folder), "--save", ""]

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def answers(self) -> bool:
        try:
            return self.ask("PING").startswith(("+PONG", "-NOAUTH", "-LOADING"))
        except OSError:
            return False

    def ask(self, command: str) -> str:
        """The first line of the answer to a command: `ask("FLUSHALL")` is `+OK`."""
        return self.lines(command, 1)[0]

    def lines(self, command: str, count: int = 0) -> list[str]:
        """The lines of the answer, as they come over the wire; the first `count`, or 0: all."""
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode() + (b"" if count else b"QUIT\r\n"))
            with connection.makefile("rb") as answer:
                found = [answer.readline() for _ in range(count)] or answer.readlines()
        return [line.decode(errors="replace").rstrip("\r\n") for line in found]

    @contextlib.contextmanager
    def commands(self) -> Iterator[Seen]:
        """The commands the server is given during the block: its round trips. What its scripts do is not among them."""
        seen = Seen()
        before = self.connections()
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(b"MONITOR\r\n")
            with connection.makefile("rb") as journal:
                assert journal.readline() == b"+OK\r\n"
                yield seen
                after = self.connections()
                self.ask(f'ECHO "{END}"')
                for line in iter(journal.readline, b""):
                    if END.encode() in line:
                        break
                    if command := COMMAND.fullmatch(line.decode(errors="replace")):
                        seen.append(command[1])
        seen[:] = [command for command in seen if command not in ('"INFO" "stats"', '"QUIT"')]
        seen.connections = after - before - 2  # the one that watches, and the one that counts

    def connections(self) -> int:
        """How many connections were opened since the server started, with the one that asks."""
        (line,) = [line for line in self.lines("INFO stats") if line.startswith("total_connections_received:")]
        return int(line.partition(":")[2])
