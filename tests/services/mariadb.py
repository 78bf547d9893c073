"""A private MariaDB: half a second to make, a third of a second to start."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pymysql

from tests.services.database import ACCOUNT, OWNER, PASSWORD, Database
from tests.services.process import Seen, program, until

PACKAGE = "mariadb-server-core mariadb-client-core"
# How the data files are cut must be told alike to the program that makes them and to the server. Small ones are made
# sooner and take less memory.
FILES = ("--innodb-data-file-path=ibdata1:4M:autoextend", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M")

ENTRY = re.compile(r"(?:\d{6} [\d ]\d:\d\d:\d\d)?\t+ *(\d+) ([A-Z][a-z]+(?: [A-Za-z]+)*)\t(.*)")
HEADER = re.compile(r"^\S+, Version: .*\nTcp port: .*\nTime .*\n", re.MULTILINE)


class MariaDB(Database):
    """MariaDB in utf8mb4, otherwise by its own defaults; `MariaDB("--wait-timeout=2")` hangs up as some hosts do."""

    name: ClassVar[str] = "mariadb"

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def prepare(self) -> None:
        create = "CREATE USER IF NOT EXISTS '{0}'@'%' IDENTIFIED BY '{1}';\nGRANT ALL ON *.* TO '{0}'@'%';\n"
        accounts = "".join(create.format(name, PASSWORD) for name in (ACCOUNT, OWNER))
        (self.folder / "accounts.sql").write_text(accounts)
        self.run(
            program("mariadb-install-db", PACKAGE),
            "--no-defaults",
            f"--user={self._user()}",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder}",  # in /tmp each takes away the others' tables as it starts
            "--auth-root-authentication-method=normal",
            "--skip-name-resolve",
            "--skip-test-db",
            *FILES,
        )

    def command(self) -> list[str]:
        return [
            program("mariadbd", PACKAGE),
            "--no-defaults",
            f"--user={self._user()}",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder}",
            f"--socket={self.socket}",
            f"--bind-address={self.host}",
            f"--port={self.port}",
            f"--init-file={self.folder / 'accounts.sql'}",
            "--general-log",
            f"--general-log-file={self.journal()}",
            "--character-set-server=utf8mb4",
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-name-resolve",
            *FILES,
        ]

    def answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except pymysql.OperationalError:
            return False

    def url(self, name: str) -> str:
        return f"mysql+pymysql://{ACCOUNT}:{PASSWORD}@{self.address}/{name}"

    def socket_url(self, name: str) -> str:
        """The same database by the server's unix socket."""
        return f"mysql+pymysql://{ACCOUNT}:{PASSWORD}@localhost/{name}?unix_socket={self.socket}"

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        # Without ssl_disabled PyMySQL first reads all of the machine's certificates, which takes a tenth of a second.
        connection = pymysql.connect(
            host=self.host, port=self.port, user=OWNER, password=PASSWORD, autocommit=True, ssl_disabled=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def drop(self, name: str) -> None:
        # A session that forgot its transaction would hold the tables, and DROP would wait for it.
        self._kill(f"db = '{name}'")
        self.execute(f"DROP DATABASE IF EXISTS {name}")

    def hang_up(self) -> int:
        return self._kill(f"user = '{ACCOUNT}'")

    @contextlib.contextmanager
    def setting(self, name: str, value: int) -> Iterator[None]:
        """A server variable for the connections opened during the block: `with mariadb.setting("wait_timeout", 2):`."""
        ((before,),) = self.execute(f"SELECT @@GLOBAL.{name}")
        self.execute(f"SET GLOBAL {name} = {value}")
        try:
            yield
        finally:
            self.execute(f"SET GLOBAL {name} = {before}")

    def journal(self) -> Path:
        return self.folder / "statements"

    def parse(self, journal: str) -> Seen:
        seen, ours = Seen(), set()
        statement = False  # whether a line that begins no entry goes on with the statement before it
        for line in HEADER.sub("", journal).splitlines():
            entry = ENTRY.fullmatch(line)
            if not entry:
                if statement:
                    seen[-1] += f"\n{line}"
                continue
            connection, kind, text = entry.groups()
            if kind == "Connect" and text.startswith(f"{OWNER}@"):
                ours.add(connection)
            statement = connection not in ours and kind not in ("Connect", "Quit")
            if statement:
                seen.append(text or kind)
            elif connection not in ours and kind == "Connect":
                seen.connections += 1
        return seen

    def _kill(self, whose: str) -> int:
        rows = self.execute(f"SELECT id FROM information_schema.processlist WHERE {whose}")
        for (connection,) in rows:
            with contextlib.suppress(pymysql.OperationalError):  # it may have gone by itself meanwhile
                self.execute(f"KILL {connection}")
        gone = f"SELECT COUNT(*) FROM information_schema.processlist WHERE {whose}"
        until(lambda: self.execute(gone) == [(0,)], "MariaDB still has connections.")
        return len(rows)

    def _user(self) -> str:
        return pwd.getpwuid(os.geteuid()).pw_name
