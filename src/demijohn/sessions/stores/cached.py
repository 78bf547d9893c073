"""Sessions in a table, which is the truth, with memcached in front of it.

A read is one `gets`, and goes to the table only on a miss. A write is one UPDATE and one `cas`. Where memcached does
not answer, all goes on without it.

What must never happen is that memcached hands out what the table has left behind: a session that was signed out, a
count that has been raised since. So
- an entry carries its row's version, and is only ever replaced by a newer one;
- what was found in the table is put where something has lain since before the table was asked, by `cas`, and never
  where there is nothing: a slow request would bring back what has been changed, or deleted, and then evicted meanwhile.
  So a reader who finds nothing first lays down a mark, and a writer who finds a mark lays down a new one;
- in place of a deleted session lies a mark that stays. memcached is told of it even if it failed a moment ago: to
  another process it may be answering already;
- a write that memcached could not be told of gives its record a fence, which travels in the visitor's cookie: a copy
  older than that is passed over, by every process, until memcached has a newer one;
- what memcached could not be told it is told when it answers again, before it is asked anything else (`_debts`);
- an entry is believed for at most `BELIEVED` seconds, for the case that a process with such debts has died.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from demijohn.errors import MemcachedDownError
from demijohn.memcached import LIMIT, Memcached
from demijohn.sessions.stores.base import FRESH, Listed, Record
from demijohn.sessions.stores.memcached import HEADER, open_client
from demijohn.sessions.stores.sql import SqlStore

#: Seconds that an entry is believed without a look at the table.
BELIEVED = 300
#: Seconds that the mark of a deleted session lies: longer than any request that may still have read its row.
_MARKED = 120
_DELETED = b"-"
#: In place of an entry that there is not, or that has become older than its row: look there.
_LOOK = b"?"
#: Debts above which those that are too old to matter are looked for.
_MANY = 10_000


class _Token(NamedTuple):
    version: int
    #: memcached's token of the entry that was read; None: it was read from the table.
    cas: Any


class CachedSqlStore:
    name = "cached-sql"
    limit = LIMIT - HEADER
    durable = True
    merges = revokes = True

    def __init__(self, sql: SqlStore, cache: Memcached) -> None:
        self._sql = sql
        self._cache = cache
        self._debts: dict[str, tuple[bytes, float]] = {}  # id: the mark to set, and since when

    @classmethod
    def at(cls, url: str, memcached_url: str | Sequence[str], **options: Any) -> CachedSqlStore:
        """A store with an engine and a pool of its own, for use without a `Site`."""
        return cls(SqlStore.at(url), open_client(memcached_url, **options))

    def create_table(self) -> None:
        """Make the table, if it is missing."""
        self._sql.create_table()

    @property
    def owes(self) -> int:
        """How many sessions memcached could not be told of yet."""
        return len(self._debts)

    def read(self, id: str, fence: int = 0) -> Record | None:
        key = _key(id)
        try:
            if self._debts:
                self._pay()
            value, cas = self._cache.gets(key)
            if value is None:
                self._cache.add(key, _LOOK, _MARKED)
                value, cas = self._cache.gets(key)
        except MemcachedDownError:
            return self._read(id)
        if value == _DELETED:
            return None
        if value is not None:
            record = _parse(value, cas)
            if record is not None and record.token.version >= fence and record.ends > time.time():
                return record
        record = self._read(id)
        if record is not None and value is not None:
            with suppress(MemcachedDownError):
                self._cache.cas(key, _entry(record), cas, BELIEVED)
        return record

    def add(self, id: str, payload: bytes, ttl: int, user: str | None = None) -> Record | None:
        record = self._sql.add(id, payload, ttl, user)
        return None if record is None else self._put(id, _with_token(record), is_new=True)

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> Record | None:
        record = self._sql.replace(id, payload, token.version, ttl)
        return None if record is None else self._put(id, _with_token(record, token.cas))

    def touch(self, id: str, record: Record, ttl: int) -> None:
        if self._sql.extend(id, record._replace(token=record.token.version), ttl):  # else it may be deleted
            self._put(id, record._replace(ends=int(time.time()) + ttl))

    def delete(self, id: str) -> bool:
        found = self._sql.delete(id)
        self._mark(id)
        return found

    def lock(self, id: str, token: str, ttl: int) -> bool:
        return self._sql.lock(id, token, ttl)  # not in memcached, whose restart would let a second one in

    def holds(self, id: str, token: str) -> bool:
        return self._sql.holds(id, token)

    def unlock(self, id: str, token: str) -> None:
        self._sql.unlock(id, token)

    def of(self, user: str) -> list[Listed]:
        return self._sql.of(user)

    def end(self, user: str, keep: str | None = None) -> int:
        ids = self._sql.end_ids(user, keep)
        for id in ids:
            self._mark(id)
        return len(ids)

    def count(self) -> tuple[int, int]:
        return self._sql.count()

    def over(self, before: float) -> int:
        return self._sql.over(before)

    def clean(self, before: float, batch: int = 500) -> Iterator[int]:
        for ids, count in self._sql.clean_ids(before, batch):
            if before > time.time():  # what is over is over in memcached too
                for id in ids:
                    self._owe(id, _LOOK)
                self._try_to_pay()
            yield count

    def close(self) -> None:
        self._try_to_pay()
        self._cache.close()
        self._sql.close()

    def _read(self, id: str) -> Record | None:
        # Fresh, or memcached would be told what there was before the mark was laid down.
        record = self._sql.read(id, FRESH)
        return None if record is None else _with_token(record)

    def _put(self, id: str, record: Record, is_new: bool = False) -> Record:
        """Have memcached know of `record`, which has been written, unless it knows of a newer one. Returns the record,
        with a fence if memcached could not be told."""
        key, cas = _key(id), record.token.cas
        try:
            if self._debts:
                self._pay()
            if is_new:  # nobody else knows of it yet
                self._cache.add(key, _entry(record), BELIEVED)
            elif cas is None or not self._cache.cas(key, _entry(record), cas, BELIEVED):
                self._outdate(key, record)
        except MemcachedDownError:
            self._owe(id, _LOOK)
            return record._replace(fence=record.token.version)
        return record._replace(token=_Token(record.token.version, None))

    def _outdate(self, key: bytes, record: Record | None) -> None:
        """Leave nothing in memcached that is older than `record`, or, where that is None, than the table."""
        while True:
            value, cas = self._cache.gets(key)
            if value is None or value == _DELETED:
                return
            there, new = _parse(value, cas), _LOOK
            if there is not None and record is not None:
                if _age(there) >= _age(record):
                    return
                new = _entry(record)
            if self._cache.cas(key, new, cas, BELIEVED):
                return

    def _mark(self, id: str) -> None:
        """Have memcached know that this session is deleted."""
        try:
            self._cache.set(_key(id), _DELETED, _MARKED, insist=True)
        except MemcachedDownError:
            self._owe(id, _DELETED)

    def _owe(self, id: str, mark: bytes) -> None:
        now = time.monotonic()
        self._debts[id] = (mark, now)
        if len(self._debts) > _MANY:
            for old, (_, since) in list(self._debts.items()):
                if since > now - BELIEVED:
                    break
                self._debts.pop(old, None)

    def _pay(self) -> None:
        """Tell memcached what it could not be told. A debt stands until it is paid, so that no other thread asks
        memcached before that."""
        for id, debt in list(self._debts.items()):
            mark, since = debt
            if self._debts.get(id) is not debt:
                continue  # another thread has paid it
            if since < time.monotonic() - BELIEVED:
                pass  # there is no such entry any more
            elif mark == _DELETED:
                self._cache.set(_key(id), mark, _MARKED)
            else:
                self._outdate(_key(id), None)
            if self._debts.get(id) is debt:
                self._debts.pop(id, None)

    def _try_to_pay(self) -> None:
        with suppress(MemcachedDownError):
            self._pay()


def _key(id: str) -> bytes:
    return b"c:" + id.encode("ascii")


def _with_token(record: Record, cas: Any = None) -> Record:
    return record._replace(token=_Token(record.token, cas))


def _age(record: Record) -> tuple[int, float]:
    return record.token.version, record.ends


def _entry(record: Record) -> bytes:
    return b"%d %d %b" % (record.token.version, record.ends, record.payload)


def _parse(value: bytes, cas: Any) -> Record | None:
    """What an entry says; None where it is not one."""
    try:
        version, ends, payload = value.split(b" ", 2)
        return Record(payload, _Token(int(version), cas), int(ends))
    except ValueError:
        return None
