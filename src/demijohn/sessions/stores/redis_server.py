"""A Redis server and the connections to it. Commands and answers are bytes.

redis-py brings the protocol, the handshake and TLS. Its pool is not used: after a fork its lock may be held by a thread
that the child does not have, and every call first looks whether its connection is still there. Nor is its client: from
version 6 on that tries again, up to ten times and with pauses.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any

from demijohn.errors import SessionOptionError, StoreUnavailableError
from demijohn.forks import in_child
from demijohn.outage import Outage

log = logging.getLogger("demijohn.redis")

#: Options that a URL may carry for redis-py's pool and client, which are not used here.
_POOLS = ("max_connections", "timeout", "retry_on_timeout", "retry_on_error", "decode_responses", "legacy_responses")


class Script:
    """A Lua script, sent once and then named by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.digest = sha1(self.text, usedforsecurity=False).hexdigest().encode()


class RedisServer:
    """A pool of connections to one Redis server; safe across threads and forks.

    :param url: `redis://user:password@host:port/db`, `rediss://` for TLS, or `unix:///path?db=0`.
    :param timeout: milliseconds for a connection, and for each part of an answer.
    :param verify: whether the server's certificate is checked, for `rediss://`.
    """

    def __init__(self, url: str, *, timeout: int = 250, verify: bool = True) -> None:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise SessionOptionError("Redis's URL begins with redis://, rediss:// or unix://.")
        self._url = url
        self._timeout = timeout / 1000
        self._verify = verify
        self._redis: Any = None  # the module; None until it is needed
        self._connection: Callable[[], Any] | None = None
        self._free: deque[Any] = deque()  # its append and pop are atomic
        self._outage = Outage(f"Redis at {_where(url)}", log)
        in_child(self, _leave_to_parent)

    def run(self, script: Script, keys: Sequence[bytes], *arguments: bytes | int) -> Any:
        """What `script` answers. It may be run twice, as a command may; see `ask`. Raises as `ask` does."""
        tail = (len(keys), *keys, *arguments)
        return self._ask((b"EVALSHA", script.digest, *tail), (b"EVAL", script.text, *tail))

    def ask(self, *command: bytes | int) -> Any:
        """The answer to a command. It is sent again, once, where the connection turns out to have been cut; then it may
        have been carried out twice.

        :raises StoreUnavailableError: the server does not answer in time, or it answers with an error.
        """
        return self._ask(command)

    def close(self) -> None:
        """Close the connections at rest."""
        while connection := self._at_rest():
            connection.disconnect()

    def _ask(self, command: Sequence[Any], if_unknown: Sequence[Any] = ()) -> Any:
        outage = self._outage
        if outage.down and not outage.may_ask():
            raise StoreUnavailableError("redis", ConnectionError("it failed a moment ago"), told=True)
        if self._connection is None:
            self._redis, self._connection = _choose(self._url, self._timeout, self._verify)
        try:
            answer = self._send(command)
        except self._redis.ResponseError as error:
            if outage.down:
                outage.over()
            if if_unknown and isinstance(error, self._redis.exceptions.NoScriptError):
                return self._ask(if_unknown)
            if "read only replica" in str(error):
                self.close()  # another server has taken over: its name leads there, and these lead to the old one
            raise StoreUnavailableError("redis", error) from error
        except self._redis.RedisError as error:
            self.close()  # or each of them would have to be found dead, one a second
            cause = _explained(error)
            is_down = "max number of clients" not in str(error)  # or others are connected, and may go on
            if is_down:
                outage.failed(cause)
            raise StoreUnavailableError("redis", cause, told=is_down) from error
        if outage.down:
            outage.over()
        return answer

    def _send(self, command: Sequence[Any]) -> Any:
        """Send the command on a connection at rest; if that had been cut, once more on a new one. A server that does
        not answer in time is not asked twice: a visitor is waiting."""
        connection = self._at_rest()
        if connection is not None:
            try:
                return self._exchange(connection, command)
            except self._redis.ConnectionError as error:
                if type(error) is not self._redis.ConnectionError:  # it answers: it is loading, or wants a password
                    raise
        assert self._connection is not None
        connection = self._connection()
        connection.connect()
        return self._exchange(connection, command)

    def _exchange(self, connection: Any, command: Sequence[Any]) -> Any:
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except self._redis.ResponseError:
            self._free.append(connection)
            raise
        except BaseException:
            connection.disconnect()  # it may be in the middle of an answer
            raise
        self._free.append(connection)
        return answer

    def _at_rest(self) -> Any:
        try:
            return self._free.pop()
        except IndexError:
            return None


def _choose(url: str, timeout: float, verify: bool) -> tuple[Any, Callable[[], Any]]:
    """redis-py, and a maker of connections. Imported here, at the first session: that takes a third of a second."""
    try:
        import redis
        from redis.connection import parse_url
    except ImportError as error:
        raise SessionOptionError(
            "The session store 'redis' needs the package redis. Install it: pip install 'demijohn[redis]'"
        ) from error
    options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    encrypted = url.startswith("rediss://")
    if encrypted:
        options["ssl_check_hostname"] = True  # before version 6 redis-py did not look whose the certificate is
    options.update(parse_url(url))  # type: ignore[no-untyped-call]
    if encrypted and not verify:
        options.update(ssl_cert_reqs="none", ssl_check_hostname=False)
    for name in _POOLS:
        options.pop(name, None)
    # Version 3 of the protocol costs round trips at each new connection, for what is not needed here.
    options["protocol"] = 2
    kind: Any = options.pop("connection_class", redis.Connection)
    try:
        kind(**options)
    except TypeError as error:
        raise SessionOptionError(f"Redis's URL has an option that redis-py does not know: {error}") from error
    return redis, lambda: kind(**options)


def _where(url: str) -> str:
    """The server's place, without a password: `host:port`, or the path of its socket."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]


def _explained(error: Exception) -> Exception:
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return error
    return RuntimeError(
        f"{error} The server's certificate cannot be verified. If it has signed it by itself, as Heroku's Redis has, "
        "set redis.verify to false (in code: verify=False): all is encrypted then, but for whom is not known"
    )


def _leave_to_parent(server: RedisServer) -> None:
    server._free = deque()  # redis-py closes the child's side of them, and says nothing to the server
