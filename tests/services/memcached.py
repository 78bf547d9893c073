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

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=5)

    def ask(self, command: str) -> str:
        """The answer, up to the END of a longer one, to a command of the text protocol: `ask("get name")`."""
        with self.connect() as connection:
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


class UnixMemcached(Memcached):
    """memcached on a Unix socket."""

    def command(self) -> list[str]:
        return [*super().command(), "-s", self.address]

    @property
    def address(self) -> str:
        return str(self.folder / "socket")

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        try:
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection


class SaslMemcached(Memcached):
    """memcached that asks for a user and a password. It speaks the binary protocol only, so `ask` has no answer."""

    username: ClassVar[str] = "anna"
    password: ClassVar[str] = "pass word: ä"

    def prepare(self) -> None:
        tool = program("saslpasswd2", "sasl2-bin")
        passwords = self.folder / "sasldb"
        self.run("/bin/sh", "-c", 'printf %s "$4" | "$1" -p -c -a memcached -f "$2" "$3"', "sh", tool,
                 str(passwords), self.username, self.password)  # fmt: skip
        (self.folder / "memcached.conf").write_text(f"mech_list: plain\nsasldb_path: {passwords}\n")

    def command(self) -> list[str]:
        return ["/usr/bin/env", f"SASL_CONF_PATH={self.folder}", *super().command(), "-S"]

    def answers(self) -> bool:
        version = bytes([0x80, 0x0B]) + bytes(22)
        try:
            with self.connect() as connection:
                connection.sendall(version)
                return connection.recv(1) == b"\x81"
        except OSError:
            return False
