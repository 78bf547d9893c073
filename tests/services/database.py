"""What MariaDB and PostgreSQL have in common for a test."""

from __future__ import annotations

import contextlib
import os
import signal
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.services.process import Seen, Service

ACCOUNT = "site"
OWNER = "keeper"
PASSWORD = "secret"


class Database(Service):
    """A database server with two accounts: ACCOUNT, named in the urls, and OWNER, the tests' own, never counted."""

    @abstractmethod
    def url(self, name: str) -> str:
        """SQLAlchemy's url of a database, which need not exist."""

    @abstractmethod
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement as OWNER, on a connection of its own, and return its rows."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Remove a database, whether it exists and whether anyone is connected to it or not."""

    @abstractmethod
    def hang_up(self) -> int:
        """Close every connection of ACCOUNT from the server's side, as an idle timeout would; how many there were."""

    @abstractmethod
    def journal(self) -> Path:
        """The file in which the server writes down each statement before it runs it."""

    @abstractmethod
    def parse(self, journal: str) -> Seen:
        """What a piece of the journal says of ACCOUNT."""

    def create(self, name: str) -> str:
        """Make a database, empty even if there was one of that name, and return its url."""
        self.drop(name)
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Frozen with all its processes: those of PostgreSQL's open connections, too."""
        with self.frozen():
            # All that there are, and none of them goes: who would make more, and ask of their ends, stands still.
            children = self.children()
            for child in children:
                os.kill(child, signal.SIGSTOP)
            try:
                yield
            finally:
                for child in children:
                    os.kill(child, signal.SIGCONT)

    @contextlib.contextmanager
    def statements(self) -> Iterator[Seen]:
        """The statements the server is given during the block: its round trips, BEGIN, COMMIT and pings included."""
        seen = Seen()
        start = self.journal().stat().st_size
        yield seen
        with self.journal().open("rb") as journal:
            journal.seek(start)
            found = self.parse(journal.read().decode(errors="replace"))
        seen[:] = found
        seen.connections = found.connections
