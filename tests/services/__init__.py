"""Private servers for the tests: `with MariaDB() as mariadb:`. The fixtures in conftest.py hand out running ones."""

from __future__ import annotations

from tests.services.database import Database
from tests.services.mariadb import MariaDB
from tests.services.memcached import Memcached, SaslMemcached, UnixMemcached
from tests.services.postgresql import PostgreSQL
from tests.services.process import HOST, PATIENCE, Seen, Service, free_port, lives, missing, program, until
from tests.services.redis import Redis

__all__ = [
    "HOST",
    "PATIENCE",
    "Database",
    "MariaDB",
    "Memcached",
    "PostgreSQL",
    "Redis",
    "SaslMemcached",
    "Seen",
    "Service",
    "UnixMemcached",
    "free_port",
    "lives",
    "missing",
    "program",
    "until",
]
