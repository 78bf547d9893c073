"""Fixtures that every test may ask for. A worker's servers are its own, start when first asked for, and end with it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import configuration, settings

from demijohn.config import layers
from demijohn.memcached.pool import _Pool
from demijohn.sessions.stores.redis_server import RedisServer
from tests.lent import ServiceT, borrowed
from tests.readonly import Sealed
from tests.services import Database, MariaDB, Memcached, PostgreSQL, Redis
from tests.site import serving

pytest_plugins = ["tests.groups", "tests.places", "tests.trove", "tests.untouched", "tests.visits", "tests.windows"]
_numbers = itertools.count()
serving.begin = Sealed

# The same examples in each run, and nothing written into the repository, where it would put what it works out for
# itself. FUZZ=10000 is a run by hand: as many of each property that names no number of its own, and others each time.
configuration.set_hypothesis_home_dir(Path(os.environ.get("TMPDIR", "/tmp"), f"hypothesis-{os.geteuid()}"))  # noqa: S108
settings.register_profile("suite", deadline=None, database=None, derandomize="FUZZ" not in os.environ)
settings.register_profile("by hand", settings.get_profile("suite"), max_examples=int(os.environ.get("FUZZ", "100")))
settings.load_profile("by hand" if "FUZZ" in os.environ else "suite")


@pytest.fixture(autouse=True)
def nothing_is_preferred() -> Iterator[None]:
    """A command that a test has run in this process prefers development, for the process, which outlives the test."""
    yield
    layers.prefer({})
    layers.insist({})


@pytest.fixture(scope="session", autouse=True)
def answers_may_be_late() -> Iterator[None]:
    """A site gives up memcached and Redis after a quarter of a second, in which a loaded machine may not come to them.
    In this process the clients wait four times as long."""
    with pytest.MonkeyPatch.context() as patch:
        pool, server = _Pool.__init__, RedisServer.__init__

        def make_pool(self: _Pool, server: str, client: str | None, timeout: float, login: Any) -> None:
            pool(self, server, client, timeout * 4, login)

        def make_server(self: RedisServer, url: str, *, timeout: int = 250, verify: bool = True) -> None:
            server(self, url, timeout=timeout * 4, verify=verify)

        patch.setattr(_Pool, "__init__", make_pool)
        patch.setattr(RedisServer, "__init__", make_server)
        yield


@pytest.fixture(scope="session")
def the_mariadb() -> Iterator[MariaDB]:
    yield from _running(MariaDB)


@pytest.fixture(scope="session")
def the_postgresql() -> Iterator[PostgreSQL]:
    yield from _running(PostgreSQL)


@pytest.fixture(scope="session")
def the_memcached() -> Iterator[Memcached]:
    yield from _running(Memcached)


@pytest.fixture(scope="session")
def the_redis() -> Iterator[Redis]:
    yield from _running(Redis)


@pytest.fixture
def mariadb(the_mariadb: MariaDB) -> MariaDB:
    """A MariaDB that runs, though the test before may have stopped it."""
    the_mariadb.start()
    return the_mariadb


@pytest.fixture
def postgresql(the_postgresql: PostgreSQL) -> PostgreSQL:
    """A PostgreSQL that runs, though the test before may have stopped it."""
    the_postgresql.start()
    return the_postgresql


@pytest.fixture
def memcached(the_memcached: Memcached) -> Memcached:
    """A memcached that runs and is empty."""
    the_memcached.start()
    the_memcached.flush()
    return the_memcached


@pytest.fixture
def redis(the_redis: Redis) -> Redis:
    """A Redis that runs and is empty."""
    the_redis.start()
    assert the_redis.ask("FLUSHALL") == "+OK"
    return the_redis


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The url of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """The url of a fresh, empty database of MariaDB."""
    yield from _database(mariadb)


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """The url of a fresh, empty database of PostgreSQL."""
    yield from _database(postgresql)


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The url of a fresh, empty database: a test that asks for it runs once for each kind that Demijohn serves."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Database:
    """A database server that runs: a test that asks for it runs once for each kind."""
    server: Database = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def url(server: Database, request: pytest.FixtureRequest) -> str:
    """The url of a fresh, empty database of `server`."""
    url: str = request.getfixturevalue(f"{server.name}_url")
    return url


def _running(kind: type[ServiceT]) -> Iterator[ServiceT]:
    server = borrowed(kind)
    if server is not None:
        yield server
        return
    with kind() as server:
        yield server


def _database(server: Database) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    yield server.create(name)
    server.start()
    server.drop(name)
