"""A private memcached."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import socket
from collections.abc import Iterator
from typing import ClassVar

from tests.services.process import Seen, Service, program

COMMAND = re.compile(r"<\d+ ((?!connection closed|server listening|new ).+)")


class Memcached(Service):
    """memcached, which writes down each command of the text protocol."""

    name: ClassVar[str] = "memcached"

    def command(self) -> list[str]:
        user = pwd.getpwuid(os.geteuid()).pw_name
        path = program("memcached", "memcached")
        return [path, "-u", user, "-l", self.host, "-p", str(self.port), "-U", "0", "-m", "32", "-t", "2", "-vv"]

    @property
    def url(self) -> str:
        return f"memcached://{self.address}"

    def answers(self) -> bool:
        try:
            return self.ask("version").startswith("VERSION")
        except OSError:
            return False

    def ask(self, command: str) -> str:
        """The answer, up to the END of a longer one, to a command of the text protocol: `ask("get name")`."""
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\nquit\r\n".encode())
            with connection.makefile("rb") as answer:
                return answer.read().decode()

    def flush(self) -> None:
        """Forget everything."""
        assert self.ask("flush_all") == "OK\r\n"

    @contextlib.contextmanager
    def commands(self) -> Iterator[Seen]:
        """The commands the server is given during the block, without the values: `get name`, `set name 0 60 5`."""
        seen = Seen()
        start = self.log.stat().st_size
        yield seen
        with self.log.open("rb") as log:
            log.seek(start)
            text = log.read().decode(errors="replace")
        seen[:] = COMMAND.findall(text)
        seen.connections = len(re.findall(r"<\d+ new .*connection", text))
