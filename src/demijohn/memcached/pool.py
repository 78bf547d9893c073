"""Pools of clients, one for each server."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from demijohn.errors import MemcachedDownError, ValueTooLargeError
from demijohn.forks import in_child
from demijohn.memcached.client import NAMES, Driver, Login, RefusedError, driver
from demijohn.outage import Outage

log = logging.getLogger("demijohn.memcached")

#: Bytes of a value. memcached's own limit is 1 MiB with the key and a header; App Engine's and MemCachier's is 10**6.
LIMIT = 1_000_000
#: memcached takes a larger number for a date (protocol.txt, "Expiration times").
_THIRTY_DAYS = 30 * 24 * 3600
#: The smallest number that is a date, in 1970. A negative one will not do: two of the clients send it as one in 2106.
_LONG_AGO = _THIRTY_DAYS + 1


class Memcached:
    """Pools of clients for one or several memcached servers; safe across threads and forks.

    Each server has its share of the keys. Of one that does not answer the keys are an error until it is back, and
    never looked for elsewhere; those of the others go on.

    :param servers: `host:port`, `[ipv6]:port` or a unix socket's path. How a server is written decides its share.
    :param prefix: goes before each key, so that two sites can share a server.
    :param timeout: milliseconds for a connection, and for an answer.
    :param client: `pylibmc`, `pymemcache`, `bmemcached`, or None: the first that is installed and will do.
    :param username: for a server that asks for it (SASL), as MemCachier's do; with `password`.
    :raises MemcachedClientMissingError: at the first call: no client that will do is installed.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        prefix: str = "",
        timeout: int = 250,
        client: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        if not servers:
            raise ValueError("Memcached needs at least one server, such as '127.0.0.1:11211'.")
        if client not in (None, *NAMES):
            raise ValueError(f"There is no memcached client {client!r}. There are: {', '.join(NAMES)}.")
        if bool(username) != bool(password):
            raise ValueError("memcached wants a user name and a password, or neither.")
        if username and client == "pymemcache":
            raise ValueError("pymemcache cannot sign in with a user name and a password. bmemcached and pylibmc can.")
        self.servers = tuple(dict.fromkeys(servers))
        self._prefix = prefix.encode("ascii") + b":" if prefix else b""
        login = Login(username, password) if username and password else None
        self._pools = {server: _Pool(server, client, timeout / 1000, login) for server in self.servers}
        self._call = self._pools[self.servers[0]].call if len(self.servers) == 1 else _shared(self._pools)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._call("get", self._prefix + key)  # type: ignore[no-any-return]

    def gets(self, key: bytes) -> tuple[bytes | None, Any]:
        """The value and its token for `cas`, or (None, None)."""
        return self._call("gets", self._prefix + key)  # type: ignore[no-any-return]

    def set(self, key: bytes, value: bytes, ttl: int, insist: bool = False) -> None:
        """Store `value` for `ttl` seconds; 0: until memcached needs the room.

        :param insist: ask even a server that failed a moment ago. For what other processes, who may find it answering
            already, must know at once.
        :raises ValueTooLargeError: it is larger than `LIMIT`.
        """
        _check_size(value)
        self._call("set", self._prefix + key, value, _expiry(ttl), insist=insist)

    def add(self, key: bytes, value: bytes, ttl: int) -> bool:
        """Store `value` if there is none yet. Whether it was stored. Raises as `set` does."""
        _check_size(value)
        return bool(self._call("add", self._prefix + key, value, _expiry(ttl)))

    def cas(self, key: bytes, value: bytes, token: Any, ttl: int) -> bool:
        """Store `value` if nobody has since `gets` gave out `token`. Whether it was stored. Raises as `set` does."""
        _check_size(value)
        return bool(self._call("cas", self._prefix + key, value, token, _expiry(ttl)))

    def delete(self, key: bytes) -> bool:
        """Whether there was something to delete."""
        return bool(self._call("delete", self._prefix + key))

    def release(self, key: bytes, value: bytes) -> bool:
        """Delete `key` if it still has this value: gives back a lock that was taken with `add`, unless its time has run
        out and somebody else has it. Whether it was deleted."""
        found, token = self.gets(key)
        return found == value and bool(self._call("cas", self._prefix + key, b"", token, _LONG_AGO))

    def silent(self) -> list[str]:
        """Those of the servers that do not answer."""
        return [server for server, pool in self._pools.items() if not pool.answers(self._prefix + b"health")]

    def close(self) -> None:
        """Close the connections at rest. The next call opens new ones."""
        for pool in self._pools.values():
            pool.close()


class _Pool:
    """One server's clients at rest, and whether it is down."""

    def __init__(self, server: str, client: str | None, timeout: float, login: Login | None) -> None:
        self._server = server
        self._outage = Outage(f"memcached at {server}", log)
        self._choice = (client, timeout, login)
        self._patience = timeout / 2
        self._driver: Driver | None = None
        self._free: deque[Any] = deque()  # its append and pop are atomic
        self._abandoned: list[Any] = []
        in_child(self, _leave_to_parent)

    def call(self, name: str, key: bytes, *values: Any, insist: bool = False) -> Any:
        """What the client's method `name` answers."""
        outage = self._outage
        if outage.down and not insist and not outage.may_ask():
            raise MemcachedDownError((self._server,), None)
        began = time.monotonic()
        try:
            client = self._free.pop()
        except IndexError:
            return self._connect_and_call(name, key, values, began)
        try:
            answer = getattr(client, name)(key, *values)
        except BaseException as error:
            _close(client)  # its connection may be in the middle of an answer
            self._judge(error, key, last=time.monotonic() - began > self._patience)
            return self._connect_and_call(name, key, values, began)
        self._free.append(client)
        if outage.down:
            outage.over()
        return answer

    def answers(self, key: bytes) -> bool:
        """Whether this server does, asked for `key`."""
        try:
            self.call("get", key)
        except MemcachedDownError:
            return False
        return True

    def _connect_and_call(self, name: str, key: bytes, values: tuple[Any, ...], began: float) -> Any:
        for attempt in (1, 2):
            client = None
            try:
                client = self._connect()
                answer = getattr(client, name)(key, *values)
            except BaseException as error:
                _close(client)
                self._judge(error, key, last=attempt == 2 or time.monotonic() - began > self._patience)
            else:
                self._free.append(client)
                if self._outage.down:
                    self._outage.over()
                return answer
        raise AssertionError("unreachable")

    def close(self) -> None:
        while self._free:
            with contextlib.suppress(IndexError):
                _close(self._free.pop())

    def _connect(self) -> Any:
        if self._driver is None:
            self._driver = driver(*self._choice)
        return self._driver.connect(self._server)

    def _judge(self, error: BaseException, key: bytes, last: bool) -> None:
        """Raise what the caller is to know, or return, when it is worth to ask once more."""
        if isinstance(error, Exception) and (len(key) > 250 or re.search(rb"[\x00-\x20\x7f]", key)):
            raise ValueError(f"memcached cannot have the key {key!r}.") from error
        if self._driver is None or not isinstance(error, self._driver.errors):
            raise error
        if self._driver.answered(error):
            if self._outage.down:
                self._outage.over()
            raise MemcachedDownError((self._server,), error, told=False) from error
        # A restarted server has closed our connections; a fresh one tells whether it is back. A server that does not
        # answer in time is not asked twice: a visitor is waiting.
        self.close()
        if last or isinstance(error, RefusedError):
            down = MemcachedDownError((self._server,), error)
            self._outage.failed(down.reason)
            raise down from error


def _shared(pools: dict[str, _Pool]) -> Callable[..., Any]:
    from demijohn.memcached.ring import Ring

    server_of = Ring(list(pools)).server_of

    def call(name: str, key: bytes, *values: Any, insist: bool = False) -> Any:
        return pools[server_of(key)].call(name, key, *values, insist=insist)

    return call


def _close(client: Any) -> None:
    if client is not None:
        with contextlib.suppress(Exception):
            client.close()


def _check_size(value: bytes) -> None:
    if len(value) > LIMIT:
        raise ValueTooLargeError(len(value), LIMIT)


def _expiry(ttl: int) -> int:
    return ttl if ttl <= _THIRTY_DAYS else int(time.time()) + ttl


def _leave_to_parent(pool: _Pool) -> None:
    # Kept, because to free a pylibmc client is to say "quit" on the connection that the parent goes on using.
    pool._abandoned.append(pool._free)
    pool._free = deque()
