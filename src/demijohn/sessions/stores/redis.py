"""Sessions in Redis."""

from __future__ import annotations

import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from demijohn.sessions.stores import redis_scripts as scripts
from demijohn.sessions.stores.base import Listed, Record
from demijohn.sessions.stores.redis_server import RedisServer

# What stands before a payload: the mark of this write (16), a space, the digest of its user (32), a space, the end (12,
# seconds since the epoch), a space. The first two are the record's token.
_TOKEN, _OWNER, _ENDS, HEADER = 49, 17, 50, 63
_NOBODY = b"-" * 32
#: Sessions in one question about a user's.
_BATCH = 100


class RedisStore:
    """A string a session, which Redis drops when its time is over. Each method is one round trip; `of` and `end` are
    two, `count` is many. Needs Redis 5; not Redis Cluster, where a session and its user's list may lie apart.

    Not durable: Redis may be set to keep nothing over a restart, and otherwise as a rule loses its last second. Its
    `maxmemory-policy` is best `noeviction`: with others it may drop a user's list, and then `end` misses sessions.

    A command that timed out may still be carried out, when a frozen server thaws. What was written since stands: a late
    `replace` or `touch` is refused by its token, a late `add` keeps a record whose id nobody has been given, a late
    `end` deletes only what it had found, a late lock ends by itself. A late `delete` deletes: whoever asked for it was
    told that it had failed, and may have gone on with the session.

    :param prefix: goes before each key, so that two sites can share a server.
    """

    name = "redis"
    limit = 1_000_000
    durable = False
    merges = revokes = True

    def __init__(self, server: RedisServer, prefix: str = "") -> None:
        self._server = server
        self._prefix = prefix.encode() + b":" if prefix else b""

    @classmethod
    def at(cls, url: str, *, prefix: str = "", timeout: int = 250, verify: bool = True) -> RedisStore:
        """A store with connections of its own.

        :param url: `redis://user:password@host:port/db`, `rediss://` for TLS, or `unix:///path?db=0`.
        :param timeout: milliseconds for a connection, and for an answer.
        :param verify: whether the server's certificate is checked, for `rediss://`.
        :raises SessionOptionError: the URL is none of Redis's; or, at the first session, redis-py is not installed.
        """
        return cls(RedisServer(url, timeout=timeout, verify=verify), prefix)

    def read(self, id: str, fence: int = 0) -> Record | None:
        value = self._server.ask(b"GET", self._key(b"s", id))
        return None if value is None else _record(value)

    def add(self, id: str, payload: bytes, ttl: int, user: str | None = None) -> Record | None:
        owner = _NOBODY if user is None else _owner(user)
        ends = int(time.time()) + ttl
        value = _value(owner, ends, payload)
        kept = self._server.run(scripts.ADD, self._keys(id, owner), value, ttl, id.encode())
        return Record(payload, value[:_TOKEN], ends) if kept else None

    def replace(self, id: str, payload: bytes, token: Any, ttl: int) -> Record | None:
        if token is None:
            return None
        owner = token[_OWNER:]  # a record's user never changes
        ends = int(time.time()) + ttl
        value = _value(owner, ends, payload)
        kept = self._server.run(scripts.REPLACE, self._keys(id, owner), value, ttl, id.encode(), token)
        return Record(payload, value[:_TOKEN], ends) if kept else None

    def touch(self, id: str, record: Record, ttl: int) -> None:
        if record.token is not None:
            ends = b"%012d" % (int(time.time()) + ttl)
            keys = self._keys(id, record.token[_OWNER:])
            self._server.run(scripts.TOUCH, keys, ends, ttl, id.encode(), record.token)

    def delete(self, id: str) -> bool:
        return bool(self._server.run(scripts.DELETE, [self._key(b"s", id)], self._key(b"u", ""), id.encode()))

    def lock(self, id: str, token: str, ttl: int) -> bool:
        """True, too, where this token has it already: the answer that said so may have been lost."""
        return bool(self._server.run(scripts.LOCK, [self._key(b"l", id), self._key(b"s", id)], token.encode(), ttl))

    def holds(self, id: str, token: str) -> bool:
        return bool(self._server.ask(b"GET", self._key(b"l", id)) == token.encode())

    def unlock(self, id: str, token: str) -> None:
        self._server.run(scripts.UNLOCK, [self._key(b"l", id)], token.encode())

    def of(self, user: str) -> list[Listed]:
        index = self._index(_owner(user))
        found = []
        for ids in _batches(self._server.ask(b"ZRANGE", index, 0, -1)):
            values = self._server.ask(b"MGET", *(self._key(b"s", id) for id in ids))
            records = [None if value is None else _record(value) for value in values]
            found += [Listed(id, r.payload, r.ends) for id, r in zip(ids, records, strict=True) if r is not None]
            gone = [id.encode() for id, r in zip(ids, records, strict=True) if r is None]  # their ids never come back
            if gone:
                self._server.ask(b"ZREM", index, *gone)
        return found

    def end(self, user: str, keep: str | None = None) -> int:
        index, ended = self._index(_owner(user)), 0
        for ids in _batches(self._server.ask(b"ZRANGE", index, 0, -1)):
            ids = [id for id in ids if id != keep]
            keys = [index, *(self._key(b"s", id) for id in ids)]
            ended += self._server.run(scripts.DELETE_ALL, keys, *(id.encode() for id in ids)) if ids else 0
        return ended

    def count(self) -> tuple[int, int]:
        """None is ever over: Redis drops those. The whole keyspace is walked through, in steps."""
        pattern = re.sub(rb"([][*?\\])", rb"\\\1", self._key(b"s", "")) + b"*"
        seen: set[bytes] = set()  # Redis may name a key twice
        cursor: bytes = b"0"
        while True:
            cursor, keys = self._server.ask(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", 1000)
            seen.update(keys)
            if cursor == b"0":
                return len(seen), 0

    def close(self) -> None:
        self._server.close()

    def _key(self, kind: bytes, id: str) -> bytes:
        return self._prefix + kind + b":" + id.encode()

    def _index(self, owner: bytes) -> bytes:
        return self._key(b"u", "") + owner

    def _keys(self, id: str, owner: bytes) -> list[bytes]:
        key = self._key(b"s", id)
        return [key] if owner == _NOBODY else [key, self._index(owner)]


def _value(owner: bytes, ends: int, payload: bytes) -> bytes:
    return b"%b %b %012d %b" % (secrets.token_hex(8).encode(), owner, ends, payload)


def _record(value: bytes) -> Record:
    try:
        if len(value) < HEADER:
            raise ValueError
        return Record(value[HEADER:], value[:_TOKEN], int(value[_ENDS : HEADER - 1]))
    except ValueError:
        return Record(value, None, time.time())  # not ours; whoever decodes it says so


def _owner(user: str) -> bytes:
    """A digest, so that a list's key is short and tells nobody's name."""
    return urlsafe_b64encode(sha256(user.encode("utf8", "surrogatepass")).digest()[:24])


def _batches(ids: list[bytes]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _BATCH):
        yield [id.decode() for id in ids[start : start + _BATCH]]
