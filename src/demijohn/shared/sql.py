"""In a table of the site's database, which loses nothing."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, bindparam, exc

from demijohn.errors import DatabaseDownError, NoDatabaseError
from demijohn.shared.base import TRIES, Entry, Shared, pause
from demijohn.shared.errors import SharedDownError

TABLE = "demijohn_shared"
#: What is over is looked for at each so many-th new entry, and at most so many are then deleted.
_SELDOM, _BATCH = 16, 100
#: Runs one statement by itself, committed at once; returns the rows and the count of rows that it matched.
Execute = Callable[[Any, Mapping[str, Any]], tuple[list[Any], int]]
log = logging.getLogger("demijohn.shared")


def shared_table(metadata: sqlalchemy.MetaData, name: str = TABLE) -> Table:
    """The table, added to `metadata` so that whatever makes the site's tables makes it too."""
    if name in metadata.tables:
        return metadata.tables[name]
    return Table(
        name,
        metadata,
        Column("id", String(32), primary_key=True),  # a digest of the key
        # With a length, MySQL makes it a MEDIUMBLOB: not cut at 64 KB. PostgreSQL takes no length.
        Column("value", LargeBinary().with_variant(LargeBinary(2**24 - 1), "mysql"), nullable=False),
        Column("ends", BigInteger, nullable=False, index=True),  # milliseconds since the epoch
        Column("stamp", BigInteger, nullable=False),  # another one for each write
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


class SqlShared(Shared):
    """:param execute: how statements are run: `Database.alone`.
    :param metadata: where the table is declared; None: apart from all others.
    :param redo: is handed what to do again if what was just written is rolled back with a request: `Database.redo`. Or
        who signs in in vain would never be counted.
    :param table: the table's name.
    """

    name = "the database"
    durable = True

    def __init__(
        self,
        execute: Execute,
        metadata: sqlalchemy.MetaData | None = None,
        redo: Callable[[Callable[[], object]], None] = lambda act: None,
        table: str = TABLE,
    ) -> None:
        self._run = execute
        self._redo = redo
        self._turns = itertools.count(random.randrange(_SELDOM))  # noqa: S311 - a process may live for a few only
        made = self.table = shared_table(sqlalchemy.MetaData() if metadata is None else metadata, table)
        c = made.c
        here = c.id == bindparam("i")
        written: Any = {name: bindparam(name[0]) for name in ("value", "ends", "stamp")}
        # `Database.alone` knows the option: not what there was when the request's transaction began.
        self._select = sqlalchemy.select(c.value, c.ends, c.stamp).where(here).execution_options(fresh=True)
        self._new = made.insert().values(id=bindparam("i"), **written)
        replace = made.update().values(**written)
        self._replace = replace.where(here)
        self._replace_found = replace.where(here, c.stamp == bindparam("found"))
        self._delete = made.delete().where(here)
        over = c.ends <= bindparam("now")
        self._select_over = sqlalchemy.select(c.id).where(over).order_by(c.id).limit(_BATCH)
        self._delete_over = made.delete().where(c.id.in_(bindparam("ids", expanding=True)), over)

    def put(self, key: str, value: bytes, seconds: float) -> None:
        super().put(key, value, seconds)
        self._redo(partial(super().put, key, value, seconds))

    def add(self, key: str, value: bytes, seconds: float) -> bool:
        added = super().add(key, value, seconds)
        if added:
            self._redo(partial(super().add, key, value, seconds))
        return added

    def count(self, key: str, seconds: float, by: int = 1) -> int:
        count = super().count(key, seconds, by)
        self._redo(partial(super().count, key, seconds, by))
        return count

    def delete(self, key: str) -> bool:
        deleted = super().delete(key)
        self._redo(partial(super().delete, key))
        return deleted

    def _find(self, place: str) -> Entry | None:
        rows, _ = self._execute(self._select, i=place)
        return Entry(bytes(rows[0][0]), rows[0][1], rows[0][2]) if rows else None

    def _insert(self, place: str, new: Entry) -> bool:
        if next(self._turns) % _SELDOM == 0:
            self._clean()
        try:
            self._execute(self._new, i=place, **_written(new))
        except (exc.IntegrityError, _Collided):
            return False
        return True

    def _swap(self, place: str, found: Entry, new: Entry) -> bool:
        try:
            _, count = self._execute(self._replace_found, i=place, found=found.stamp, **_written(new))
        except _Collided:
            return False
        return bool(count)

    def _write(self, place: str, new: Entry) -> None:
        for number in range(TRIES):
            try:
                if self._execute(self._replace, i=place, **_written(new))[1] or self._insert(place, new):
                    return
            except _Collided:
                pass
            pause(number)
        raise SharedDownError(self.name, "others were quicker each time")

    def _remove(self, place: str) -> bool:
        for number in range(TRIES):
            found = self._find(place)
            try:
                _, count = self._execute(self._delete, i=place)
                return bool(count) and found is not None and found.left > 0
            except _Collided:
                pause(number)
        raise SharedDownError(self.name, "others were quicker each time")

    def _clean(self) -> None:
        """Delete some of what is over. Others may be at it, too."""
        now = int(time.time() * 1000)
        try:
            rows, _ = self._execute(self._select_over, now=now)
            if rows:
                self._execute(self._delete_over, ids=[id for (id,) in rows], now=now)
        except (SharedDownError, _Collided) as error:
            log.debug("What is over was not deleted: %s", error)

    def _execute(self, statement: Any, **parameters: Any) -> tuple[list[Any], int]:
        try:
            return self._run(statement, parameters)
        except exc.IntegrityError:
            raise
        except exc.OperationalError as error:
            if _is_deadlock(error):
                raise _Collided from error
            raise self._down(error) from error
        except (exc.SQLAlchemyError, DatabaseDownError, NoDatabaseError) as error:
            raise self._down(error) from error

    def _down(self, error: Exception) -> SharedDownError:
        cause: Any = getattr(error, "orig", None) or error
        name = self.table.name
        if name in str(cause):
            cause = RuntimeError(f"{cause}. If the table {name} is missing, make it: demijohn db create")
        return SharedDownError(self.name, cause)


def _written(entry: Entry) -> dict[str, Any]:
    return {"v": entry.value, "e": entry.ends, "s": entry.stamp}


class _Collided(Exception):
    """Nothing was changed: two statements stood in each other's way, and this one had to give way."""


def _is_deadlock(error: exc.OperationalError) -> bool:
    """As InnoDB finds one between several that insert what one has just deleted."""
    cause: Any = error.orig
    return getattr(cause, "sqlstate", None) == "40P01" or cause.args[:1] == (1213,)
