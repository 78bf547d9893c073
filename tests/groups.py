"""Databases with replicas, which follow by the servers' own replication."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.services import Database, PostgreSQL, until
from tests.services.replication import MariaDBPrimary, MariaDBReplica, PostgreSQLReplica, Replica


class Group(NamedTuple):
    """A primary and its replicas."""

    primary: Database
    replicas: list[Replica]

    def follow(self, database: str, table: str = "notes") -> None:
        """Wait until each replica has all that the primary has."""
        count = f"SELECT COUNT(*) FROM {database}.{table}"
        if isinstance(self.primary, PostgreSQL):
            count = f"SELECT COUNT(*) FROM {table}"
        until(
            lambda: all(rows(r, database, count) == rows(self.primary, database, count) for r in self.replicas), "lag"
        )


def rows(server: Database, database: str, sql: str) -> Any:
    if not isinstance(server, PostgreSQL):
        try:
            return server.execute(sql)
        except Exception:
            return None  # the table has not come yet
    import psycopg

    where = f"host={server.folder} port={server.port} user=keeper dbname={database}"
    try:
        with psycopg.connect(where, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()
    except psycopg.Error:
        return None


@pytest.fixture(scope="module", params=["mariadb", "postgresql"])
def servers(request: pytest.FixtureRequest) -> Iterator[Group]:
    with ExitStack() as running:
        primary: Any = running.enter_context(MariaDBPrimary() if request.param == "mariadb" else PostgreSQL())
        kind: Any = MariaDBReplica if request.param == "mariadb" else PostgreSQLReplica
        yield Group(primary, [running.enter_context(kind(primary, number)) for number in (2, 3)])


@pytest.fixture
def group(servers: Group) -> Group:
    """All of them running, whatever the test before has done."""
    for server in (servers.primary, *servers.replicas):
        server.start()
    for replica in servers.replicas:
        replica.resume()
    return servers
