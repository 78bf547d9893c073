"""The servers that the contestants share: private ones, the tests' own, which are gone however the run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.services import MariaDB, Memcached

TABLES = (
    "CREATE TABLE bench.world (id INT PRIMARY KEY, number INT NOT NULL)",
    "INSERT INTO bench.world SELECT seq, seq * 7919 % 10000 FROM bench.seq_1_to_10000",
    "CREATE TABLE bench.account (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL, email VARCHAR(100) NOT NULL)",
    "INSERT INTO bench.account SELECT seq, CONCAT('User ', seq, ' <&>'), CONCAT('user', seq, '@example.com') "
    "FROM bench.seq_1_to_1000",
)


class QuietMemcached(Memcached):
    """Writes nothing down: for the measures of time."""

    def command(self) -> list[str]:
        return [part for part in super().command() if part != "-vv"]


@dataclass(frozen=True)
class Services:
    mariadb: MariaDB
    memcached: Memcached
    #: Writes down what it is asked, for counting.
    listening: Memcached

    @property
    def database_url(self) -> str:
        return self.mariadb.url("bench") + "?charset=utf8mb4"

    def versions(self) -> dict[str, str]:
        ((mariadb,),) = self.mariadb.execute("SELECT VERSION()")
        return {"mariadb": mariadb.partition("-")[0], "memcached": self.memcached.ask("version").split()[1]}

    def listen(self, act: Callable[[], object]) -> tuple[list[str], list[str]]:
        """What MariaDB and the listening memcached are asked while `act` runs: the first word of each request."""
        with (
            self.mariadb.setting("general_log", 1),
            self.mariadb.statements() as sql,
            self.listening.commands() as said,
        ):
            act()
        return [statement.split()[0].upper() for statement in sql], [command.split()[0] for command in said]


@contextmanager
def running() -> Iterator[Services]:
    """Services with the contestants' tables in them."""
    try:
        with MariaDB("--skip-general-log") as mariadb, QuietMemcached() as memcached, Memcached() as listening:
            mariadb.create("bench")
            for statement in TABLES:
                mariadb.execute(statement)
            yield Services(mariadb, memcached, listening)
    except (pytest.skip.Exception, pytest.fail.Exception) as absence:  # how the tests say that a server is missing
        raise SystemExit(str(absence)) from None
