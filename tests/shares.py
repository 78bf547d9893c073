"""What the copies of a site share, opened on each store that it may lie in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.shared.base import Shared
from demijohn.shared.memcached import MemcachedShared
from demijohn.shared.memory import MemoryShared
from demijohn.shared.sql import SqlShared
from tests.services import Memcached as MemcachedServer


@contextmanager
def opened(kind: str, request: pytest.FixtureRequest) -> Iterator[Shared]:
    """:param kind: `memory`, `memcached`, or a database: `sqlite`, `mariadb`, `postgresql`."""
    if kind == "memory":
        yield MemoryShared()
    elif kind == "memcached":
        server: MemcachedServer = request.getfixturevalue("memcached")
        client = Memcached([server.address], prefix="site")
        yield MemcachedShared(client)
        client.close()
    else:
        database = Database(request.getfixturevalue(f"{kind}_url"))
        shared = SqlShared(database.alone, database.metadata, database.redo)
        database.create_all()
        yield shared
        database.close()
