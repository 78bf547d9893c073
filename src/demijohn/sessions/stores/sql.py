"""Sessions in a table: one row each, with a version that every write raises by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, bindparam, exc

from demijohn.errors import StoreUnavailableError
from demijohn.sessions.stores.base import Record

TABLE = "demijohn_sessions"
#: Runs one statement by itself, committed at once; returns the rows and the count of rows that were changed.
Execute = Callable[[Any, Mapping[str, Any]], tuple[list[Any], int]]


def sessions_table(metadata: sqlalchemy.MetaData) -> Table:
    """The table, added to `metadata` so that whatever makes the site's tables makes it too."""
    if TABLE in metadata.tables:
        return metadata.tables[TABLE]
    return Table(
        TABLE,
        metadata,
        Column("id", String(64), primary_key=True),
        # With a length, MySQL makes it a MEDIUMTEXT: not cut at 64 KB. PostgreSQL takes no length.
        Column("data", Text().with_variant(Text(2**24 - 1), "mysql"), nullable=False),
        Column("version", Integer, nullable=False),
        Column("expires", BigInteger, nullable=False, index=True),  # seconds since the epoch
    )


class SqlStore:
    """:param execute: how statements are run.
    :param metadata: where the table is declared; None: apart from all others.
    """

    name = "sql"
    limit = 1_000_000

    def __init__(self, execute: Execute, metadata: sqlalchemy.MetaData | None = None) -> None:
        self._run = execute
        table = self.table = sessions_table(sqlalchemy.MetaData() if metadata is None else metadata)
        c = table.c
        id: Any = bindparam("i")
        now: Any = bindparam("now")
        mine = (c.id == id) & (c.version == bindparam("v")) & (c.expires > now)
        # Built once: building a statement costs more than running it.
        self._select = sqlalchemy.select(c.data, c.version, c.expires).where(c.id == id, c.expires > now)
        self._insert = table.insert().values(id=id, data=bindparam("d"), version=1, expires=bindparam("e"))
        changes = {"data": bindparam("d"), "version": c.version + 1, "expires": bindparam("e")}
        self._update = table.update().where(mine).values(**changes)
        self._extend = table.update().where(mine).values(expires=bindparam("e"))
        self._delete = table.delete().where(c.id == id)
        self._delete_over = table.delete().where(c.id == id, c.expires <= now)

    @classmethod
    def at(cls, url: str) -> SqlStore:
        """A store with an engine of its own, for use without a `Site`. Its table is made here, if it is missing."""
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)

        def execute(statement: Any, parameters: Mapping[str, Any]) -> tuple[list[Any], int]:
            with engine.connect() as connection:
                result = connection.execute(statement, parameters)
                return (list(result), 0) if result.returns_rows else ([], result.rowcount)

        store = cls(execute)
        store.close = engine.dispose  # type: ignore[method-assign]
        store.table.create(engine, checkfirst=True)
        return store

    def read(self, id: str) -> Record | None:
        rows, _ = self._execute(self._select, i=id, now=int(time.time()))
        if not rows:
            return None
        data, version, expires = rows[0]
        return Record(data.encode(), version, expires)

    def add(self, id: str, payload: bytes, ttl: int) -> bool:
        now = int(time.time())
        try:
            self._execute(self._insert, i=id, d=payload.decode(), e=now + ttl)
        except exc.IntegrityError:
            # Taken; or by a session whose time is over, which nobody could have told apart from an id that never was.
            _, gone = self._execute(self._delete_over, i=id, now=now)
            return bool(gone) and self.add(id, payload, ttl)
        return True

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> bool:
        now = int(time.time())
        _, count = self._execute(self._update, i=id, v=token, d=payload.decode(), e=now + ttl, now=now)
        return count == 1

    def touch(self, id: str, payload: bytes, token: Any, ttl: int) -> None:
        now = int(time.time())
        self._execute(self._extend, i=id, v=token, e=now + ttl, now=now)

    def delete(self, id: str) -> None:
        self._execute(self._delete, i=id)

    def close(self) -> None:
        """Nothing to close: the connections are those of whoever runs the statements."""

    def _execute(self, statement: Any, **parameters: Any) -> tuple[list[Any], int]:
        try:
            return self._run(statement, parameters)
        except exc.IntegrityError:
            raise
        except exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            if TABLE in str(cause):
                cause = RuntimeError(f"{cause}. If the table {TABLE} is missing, make it: demijohn db create")
            raise StoreUnavailableError(self.name, cause) from error
