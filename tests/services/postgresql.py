"""A private PostgreSQL."""

from __future__ import annotations

import glob
import re
import signal
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from tests.services.database import ACCOUNT, OWNER, PASSWORD, Database
from tests.services.process import Seen, program, until

PACKAGE = "postgresql"
ENTRY = re.compile(r"(\w+)\|LOG:  (connection authorized|statement|execute [^:]*): ?(.*)")


class PostgreSQL(Database):
    """PostgreSQL, whose programs refuse to run as root: then they run as nobody."""

    name: ClassVar[str] = "postgresql"
    account: ClassVar[str | None] = "nobody"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # SIGTERM waits until the last client has left
    kill_signal: ClassVar[signal.Signals] = signal.SIGQUIT  # a crash that takes its backends along

    def prepare(self) -> None:
        self.run(
            _program("initdb"),
            f"--pgdata={self.folder / 'data'}",
            f"--username={OWNER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": self.folder,
            "dynamic_shared_memory_type": "mmap",  # in the data directory, so that a crash leaves nothing elsewhere
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "log_statement": "all",
            "log_connections": "on",
            "log_line_prefix": "%u|",
            "lc_messages": "C",
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [_program("postgres"), "-D", str(self.folder / "data"), *options]

    def start(self) -> None:
        super().start()
        if not self.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{ACCOUNT}'"):
            self.execute(f"CREATE ROLE {ACCOUNT} LOGIN CREATEDB PASSWORD '{PASSWORD}'")

    def answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{ACCOUNT}:{PASSWORD}@{self.address}/{name}"

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        where = f"host={self.folder} port={self.port} user={OWNER} dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, name: str) -> str:
        url = super().create(name)
        self.execute(f"ALTER DATABASE {name} OWNER TO {ACCOUNT}")
        return url

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def hang_up(self) -> int:
        where = f"FROM pg_stat_activity WHERE usename = '{ACCOUNT}'"
        ended = self.execute(f"SELECT pg_terminate_backend(pid) {where}")
        until(lambda: not self.execute(f"SELECT pid {where}"), "PostgreSQL still has connections.")
        return len(ended)

    def journal(self) -> Path:
        return self.log

    def parse(self, journal: str) -> Seen:
        seen = Seen()
        statement = False
        for line in journal.splitlines():
            if line.startswith("\t") and statement:  # PostgreSQL indents what follows a statement's first line
                seen[-1] += f"\n{line[1:]}"
                continue
            entry = ENTRY.fullmatch(line)
            statement = bool(entry and entry[1] == ACCOUNT and entry[2] != "connection authorized")
            if entry and statement:
                seen.append(entry[3])
            elif entry and entry[1] == ACCOUNT:
                seen.connections += 1
        return seen


def _program(name: str) -> str:
    # Debian keeps them off PATH, a folder a version.
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(Path(path).parent.name), reverse=True)
    return program(name, PACKAGE, *folders)
