"""SQLAlchemy's dialects with transactions that begin when they must.

Each is imported when a URL names it, by SQLAlchemy: one takes 1.5 MB and 10 ms.

Here, and wherever SQLAlchemy may not have been imported yet, a package of it is imported before its parts. Two threads
of which one comes by the package and the other by a part of it wait for each other, and Python breaks one of them off.
"""

from __future__ import annotations

from sqlalchemy import dialects

from demijohn.database.dialects.lazy import ALONE as ALONE
from demijohn.database.dialects.lazy import MOVE as MOVE
from demijohn.database.dialects.lazy import PATIENCE as PATIENCE
from demijohn.database.dialects.lazy import REPLICA as REPLICA
from demijohn.database.dialects.lazy import LazyTransactions as LazyTransactions
from demijohn.database.dialects.lazy import is_read as is_read
from demijohn.database.dialects.lazy import replica_of as replica_of

#: The drivers that have a lazy dialect, and its name in a SQLAlchemy URL.
LAZY = {
    "mysql+pymysql": "mysql+demijohn",
    "mariadb+pymysql": "mysql+demijohn",
    "postgresql+psycopg": "postgresql+demijohn",
    "sqlite": "sqlite+demijohn",
    "sqlite+pysqlite": "sqlite+demijohn",
}
dialects.registry.register("mysql.demijohn", f"{__name__}.mysql", "MySQL")
dialects.registry.register("postgresql.demijohn", f"{__name__}.postgresql", "PostgreSQL")
dialects.registry.register("sqlite.demijohn", f"{__name__}.sqlite", "SQLite")
