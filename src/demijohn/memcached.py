"""One face for the memcached clients: pylibmc where it is installed, else pymemcache. Bytes in, bytes out.

A pool hands each call a client of its own: one pylibmc client shared by threads gives one user another user's session,
or aborts the process. Keys are bytes, because pylibmc 1.6.3's `gets` with a `str` key frees it too early and may answer
with another key's value (pylibmc pull request 303).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from demijohn.errors import MemcachedDownError, ValueTooLargeError

log = logging.getLogger("demijohn.memcached")

#: After a failure the server is not asked again for this many seconds; then one call finds out whether it is back.
PAUSE = 1.0
#: Bytes of a value. memcached's own limit is 1 MiB with the key and a header; App Engine's and MemCachier's is 10**6.
LIMIT = 1_000_000
#: memcached takes a larger number for a date (protocol.txt, "Expiration times").
_THIRTY_DAYS = 30 * 24 * 3600


class Memcached:
    """A pool of clients for one or several memcached servers; safe across threads and forks.

    :param servers: `host:port`, `[ipv6]:port` or a unix socket's path; several share the keys by consistent hashing.
    :param prefix: goes before each key, so that two sites can share a server.
    :param timeout: milliseconds for a connection, and for an answer.
    :param client: `pylibmc`, `pymemcache`, or None: the first of the two that is installed.
    """

    def __init__(
        self, servers: Sequence[str], *, prefix: str = "", timeout: int = 250, client: str | None = None
    ) -> None:
        if not servers:
            raise ValueError("Memcached needs at least one server, such as '127.0.0.1:11211'.")
        self.servers = tuple(servers)
        self._prefix = prefix.encode("ascii") + b":" if prefix else b""
        self._timeout = timeout
        self._choice = client
        self._make: Callable[[], Any] | None = None
        self._faults: tuple[type[Exception], ...] = ()
        self._free: deque[Any] = deque()  # its append and pop are atomic
        self._down_until = 0.0
        self._told_at = -60.0
        self._abandoned: list[Any] = []
        _leave_to_parent(self)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._call(lambda c: c.get(self._prefix + key))  # type: ignore[no-any-return]

    def gets(self, key: bytes) -> tuple[bytes | None, Any]:
        """The value and its token for `cas`, or (None, None)."""
        return self._call(lambda c: c.gets(self._prefix + key))  # type: ignore[no-any-return]

    def set(self, key: bytes, value: bytes, ttl: int) -> None:
        """Store `value` for `ttl` seconds; 0: until memcached needs the room.

        :raises ValueTooLargeError: it is larger than `LIMIT`.
        """
        _check_size(value)
        self._call(lambda c: c.set(self._prefix + key, value, _expiry(ttl)))

    def add(self, key: bytes, value: bytes, ttl: int) -> bool:
        """Store `value` if there is none yet. Whether it was stored. Raises as `set` does."""
        _check_size(value)
        return bool(self._call(lambda c: c.add(self._prefix + key, value, _expiry(ttl))))

    def cas(self, key: bytes, value: bytes, token: Any, ttl: int) -> bool:
        """Store `value` if nobody has since `gets` gave out `token`. Whether it was stored. Raises as `set` does."""
        _check_size(value)
        return bool(self._call(lambda c: c.cas(self._prefix + key, value, token, _expiry(ttl))))

    def delete(self, key: bytes) -> bool:
        """Whether there was something to delete."""
        return bool(self._call(lambda c: c.delete(self._prefix + key)))

    def close(self) -> None:
        """Close the connections at rest."""
        while self._free:
            with contextlib.suppress(IndexError):
                self._free.pop().close()

    def _call(self, operation: Callable[[Any], Any]) -> Any:
        if time.monotonic() < self._down_until:
            raise MemcachedDownError(self.servers, None)
        for attempt in (1, 2):
            client = self._take()
            try:
                answer = operation(client)
            except self._faults as error:
                self._drop_all(client)
                # A restarted server has closed our connections; a fresh one tells whether it is back. A server that
                # does not answer in time is not asked twice: a visitor is waiting.
                if attempt == 2 or isinstance(error, TimeoutError):
                    self._down_until = time.monotonic() + PAUSE
                    self._tell(error)
                    raise MemcachedDownError(self.servers, error) from error
            except BaseException:
                self._drop_all(client)  # its connection may be in the middle of an answer
                raise
            else:
                self._free.append(client)
                return answer
        raise AssertionError("unreachable")

    def _take(self) -> Any:
        try:
            return self._free.pop()
        except IndexError:
            if self._make is None:
                self._make, self._faults = _choose(self._choice, self.servers, self._timeout)
            return self._make()

    def _drop_all(self, client: Any) -> None:
        with contextlib.suppress(Exception):
            client.close()
        self.close()

    def _tell(self, error: Exception) -> None:
        if time.monotonic() - self._told_at >= 60:
            self._told_at = time.monotonic()
            log.warning("memcached at %s is not answering: %s (said once a minute)", ", ".join(self.servers), error)


def _check_size(value: bytes) -> None:
    if len(value) > LIMIT:
        raise ValueTooLargeError(len(value), LIMIT)


def _expiry(ttl: int) -> int:
    return ttl if ttl <= _THIRTY_DAYS else int(time.time()) + ttl


def _leave_to_parent(pool: Memcached) -> None:
    if not hasattr(os, "register_at_fork"):  # Windows
        return
    reference = weakref.ref(pool)

    def abandon() -> None:
        forked = reference()
        if forked is not None:
            # Kept, because to free a pylibmc client is to say "quit" on the connection that the parent goes on using.
            forked._abandoned.append(forked._free)
            forked._free = deque()

    os.register_at_fork(after_in_child=abandon)


def _choose(
    name: str | None, servers: Sequence[str], timeout: int
) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """A maker of clients, and the errors that mean that the server is not answering."""
    if name != "pymemcache":
        try:
            return _pylibmc(servers, timeout)
        except ImportError:
            if name == "pylibmc":
                raise
    return _pymemcache(servers, timeout)


def _pylibmc(servers: Sequence[str], timeout: int) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    import pylibmc

    class Client(pylibmc.Client):
        def deserialize(self, value: bytes, flags: int) -> bytes:
            return value  # pylibmc's own would unpickle what anyone on the network has planted

        def close(self) -> None:
            self.disconnect_all()

        def gets(self, key: bytes) -> Any:
            """A miss that can be relied on. pylibmc also calls it a miss when the server falls silent, and when it
            finds the connection cut; the second is an error only when it is asked again."""
            answer = super().gets(key)
            if answer[0] is None:
                began = time.monotonic()
                answer = super().gets(key)
                if answer[0] is None and time.monotonic() - began >= timeout / 1000:
                    raise pylibmc.Error("timed out")
            return answer

        def cas(self, key: bytes, value: bytes, token: Any, ttl: int) -> bool:
            try:
                return bool(super().cas(key, value, token, ttl))
            except pylibmc.NotFound:  # deleted since
                return False

    behaviors = {
        "cas": True,
        "tcp_nodelay": True,
        "connect_timeout": timeout,
        # Only this one ends the wait for a server that has gone silent (measured: the default is 5 s, and then a miss).
        "_poll_timeout": timeout,
        "retry_timeout": 1,
    }
    if len(servers) > 1:
        behaviors["ketama"] = True
    names = [_for_pylibmc(server) for server in servers]
    return (lambda: Client(names, behaviors=behaviors)), (pylibmc.Error,)


def _for_pylibmc(server: str) -> str:
    return server.replace("[", "").replace("]", "") if server.startswith("[") else server


def _pymemcache(servers: Sequence[str], timeout: int) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    from pymemcache import Client, HashClient
    from pymemcache.exceptions import MemcacheError

    options: dict[str, Any] = {
        "connect_timeout": timeout / 1000,
        "timeout": timeout / 1000,
        "no_delay": True,
        "default_noreply": False,  # or `add` would always say that it stored
    }
    if len(servers) == 1:
        return (lambda: Client(servers[0], **options)), (MemcacheError, OSError)
    # retry_attempts=0: a server that is down is an error at once, not a key looked for on another server
    return (lambda: HashClient(servers, retry_attempts=0, dead_timeout=1, **options)), (MemcacheError, OSError)
