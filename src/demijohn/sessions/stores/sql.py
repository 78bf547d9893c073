"""Sessions in a table: one row each, with a version that every write raises by one."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, bindparam, exc, func

from demijohn.errors import DatabaseDownError, StoreUnavailableError
from demijohn.forks import in_child, renew
from demijohn.sessions.stores.base import FRESH, Listed, Record

TABLE = "demijohn_sessions"
_MAKE_IT = "demijohn db create; outside of a Site, demijohn.sessions.create_table(url)"
#: Ids in one statement.
_BATCH = 500
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
        Column("owner", String(32), index=True),  # a digest of the user's key
        Column("locked_by", String(32)),
        Column("locked_until", BigInteger, nullable=False, server_default="0"),  # seconds since the epoch
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


class SqlStore:
    """:param execute: how statements are run.
    :param metadata: where the table is declared; None: apart from all others.
    """

    name = "sql"
    limit = 1_000_000
    durable = True
    merges = revokes = True

    def __init__(self, execute: Execute, metadata: sqlalchemy.MetaData | None = None) -> None:
        self._run = execute
        table = self.table = sessions_table(sqlalchemy.MetaData() if metadata is None else metadata)
        c = table.c
        id: Any = bindparam("i")
        now: Any = bindparam("now")
        ids: Any = bindparam("ids", expanding=True)
        mine = (c.id == id) & (c.version == bindparam("v")) & (c.expires > now)
        # Built once: building a statement costs more than running it.
        self._select = sqlalchemy.select(c.data, c.version, c.expires).where(c.id == id, c.expires > now)
        # `Database.alone` knows the option: not what there was when the request's transaction began.
        self._select_fresh = self._select.execution_options(fresh=True)
        self._insert = table.insert().values(
            id=id, data=bindparam("d"), version=1, expires=bindparam("e"), owner=bindparam("o"), locked_until=0
        )
        changes = {"data": bindparam("d"), "version": c.version + 1, "expires": bindparam("e")}
        self._update = table.update().where(mine).values(**changes)
        self._extend = table.update().where(mine).values(expires=bindparam("e"))
        self._delete = table.delete().where(c.id == id)
        self._delete_over = table.delete().where(c.id == id, c.expires <= now)
        free = (c.locked_until <= now) & (c.expires > now)
        self._lock = (
            table.update().where(c.id == id, free).values(locked_by=bindparam("t"), locked_until=bindparam("u"))
        )
        held = (c.locked_by == bindparam("t")) & (c.locked_until > now)
        self._select_held = sqlalchemy.select(c.id).where(c.id == id, held).execution_options(fresh=True)
        self._unlock = table.update().where(c.id == id, c.locked_by == bindparam("t")).values(locked_until=0)
        self._select_owned = sqlalchemy.select(c.id, c.data, c.expires).where(
            c.owner == bindparam("o"), c.expires > now
        )
        self._select_over = sqlalchemy.select(c.id).where(c.expires < bindparam("before")).limit(bindparam("batch"))
        self._delete_all = table.delete().where(c.id.in_(ids), c.expires < bindparam("before"))
        self._count = sqlalchemy.select(func.count()).select_from(table)
        self._count_over = self._count.where(c.expires < bindparam("before"))

    @classmethod
    def at(cls, url: str) -> SqlStore:
        """A store with an engine of its own, for use without a `Site`. Its table is made by `create_table`."""
        return _WithEngine(url)

    def create_table(self) -> None:
        """Make the table, if it is missing. Here it is a table of the site's, which are made together."""

    def read(self, id: str, fence: int = 0) -> Record | None:
        select = self._select_fresh if fence == FRESH else self._select
        rows, _ = self._execute(select, i=id, now=int(time.time()))
        if not rows:
            return None
        data, version, expires = rows[0]
        return Record(data.encode(), version, expires)

    def add(self, id: str, payload: bytes, ttl: int, user: str | None = None) -> Record | None:
        now = int(time.time())
        owner = None if user is None else _owner(user)
        try:
            self._execute(self._insert, i=id, d=payload.decode(), e=now + ttl, o=owner)
        except exc.IntegrityError:
            # Taken; or by a session whose time is over, which nobody could have told apart from an id that never was.
            _, gone = self._execute(self._delete_over, i=id, now=now)
            return self.add(id, payload, ttl, user) if gone else None
        return Record(payload, 1, now + ttl)

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> Record | None:
        now = int(time.time())
        _, count = self._execute(self._update, i=id, v=token, d=payload.decode(), e=now + ttl, now=now)
        return Record(payload, token + 1, now + ttl) if count else None

    def touch(self, id: str, record: Record, ttl: int) -> None:
        self.extend(id, record, ttl)

    def extend(self, id: str, record: Record, ttl: int) -> bool:
        """As `touch`. False where the record has been written or deleted since."""
        now = int(time.time())
        _, count = self._execute(self._extend, i=id, v=record.token, e=now + ttl, now=now)
        return bool(count)

    def delete(self, id: str) -> bool:
        _, count = self._execute(self._delete, i=id)
        return bool(count)

    def lock(self, id: str, token: str, ttl: int) -> bool:
        now = int(time.time())
        # The clocks of two machines differ, and this one's second has begun before: later rather than earlier.
        _, count = self._execute(self._lock, i=id, t=token, u=now + ttl + 1, now=now)
        return bool(count)

    def holds(self, id: str, token: str) -> bool:
        rows, _ = self._execute(self._select_held, i=id, t=token, now=int(time.time()))
        return bool(rows)

    def unlock(self, id: str, token: str) -> None:
        self._execute(self._unlock, i=id, t=token)

    def of(self, user: str) -> list[Listed]:
        rows, _ = self._execute(self._select_owned, o=_owner(user), now=int(time.time()))
        return [Listed(id, data.encode(), expires) for id, data, expires in rows]

    def end(self, user: str, keep: str | None = None) -> int:
        return len(self.end_ids(user, keep))

    def end_ids(self, user: str, keep: str | None = None) -> list[str]:
        """As `end`; returns which."""
        ids = [listed.id for listed in self.of(user) if listed.id != keep]
        for start in range(0, len(ids), _BATCH):
            self._execute(self._delete_all, ids=ids[start : start + _BATCH], before=2**62)
        return ids

    def count(self) -> tuple[int, int]:
        over = self.over(int(time.time()) + 1)
        ((total,),), _ = self._execute(self._count)
        return total - over, over

    def over(self, before: float) -> int:
        """How many sessions end before this time, seconds since the epoch."""
        ((count,),), _ = self._execute(self._count_over, before=int(before))
        return int(count)

    def clean(self, before: float, batch: int = _BATCH) -> Iterator[int]:
        """Delete the sessions that end before this time, in batches, each in a short transaction of its own. Yields how
        many each batch deleted. One whose end has been moved on meanwhile stays."""
        for _, count in self.clean_ids(before, batch):
            yield count

    def clean_ids(self, before: float, batch: int = _BATCH) -> Iterator[tuple[list[str], int]]:
        """As `clean`; yields which have been looked at, too."""
        while True:
            rows, _ = self._execute(self._select_over, before=int(before), batch=batch)
            ids = [id for (id,) in rows]
            if not ids:
                return
            _, count = self._execute(self._delete_all, ids=ids, before=int(before))
            yield ids, count

    def close(self) -> None:
        """Nothing to close: the connections are those of whoever runs the statements."""

    def _execute(self, statement: Any, **parameters: Any) -> tuple[list[Any], int]:
        try:
            return self._run(statement, parameters)
        except exc.IntegrityError:
            raise
        except (exc.SQLAlchemyError, DatabaseDownError) as error:
            cause = getattr(error, "orig", None) or error
            if TABLE in str(cause):
                cause = RuntimeError(f"{cause}. If the table {TABLE} is missing, make it: {_MAKE_IT}")
            raise StoreUnavailableError(self.name, cause) from error


class _WithEngine(SqlStore):
    def __init__(self, url: str) -> None:
        # In autocommit there is nothing to roll back when a connection is given back: one round trip less.
        self._engine = sqlalchemy.create_engine(
            url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, skip_autocommit_rollback=True
        )
        in_child(self._engine, lambda forked: forked.dispose(close=False))  # the parent goes on using its own
        super().__init__(self._insist)

    def create_table(self) -> None:
        self.table.create(self._engine, checkfirst=True)

    def close(self) -> None:
        self._engine.dispose()

    def _insist(self, statement: Any, parameters: Mapping[str, Any]) -> tuple[list[Any], int]:
        try:
            return self._once(statement, parameters)
        except exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return self._once(statement, parameters)  # the server has hung up on a connection at rest

    def _once(self, statement: Any, parameters: Mapping[str, Any]) -> tuple[list[Any], int]:
        renew()
        with self._engine.connect() as connection:
            result = connection.execute(statement, parameters)
            return (list(result), 0) if result.returns_rows else ([], result.rowcount)


def _owner(user: str) -> str:
    """A digest, because two texts that a database's collation takes for one are still two users."""
    return urlsafe_b64encode(sha256(user.encode("utf8", "surrogatepass")).digest()[:24]).decode()
