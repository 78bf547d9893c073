"""pylibmc: libmemcached's speed."""

from __future__ import annotations

import re
from typing import Any

import pylibmc

from demijohn.memcached.client import Driver, Login, RefusedError

# libmemcached's own numbers (memcached_return_t).
_NO_SASL, _SASL_FAILED, _NO_ROOM = 40, 41, 48
_PLUGINS = (
    "pylibmc finds no plugin of SASL's to sign in with. Install libsasl2-modules and set SASL_PATH to where they are, "
    "or install the other client: pip install 'demijohn[sasl]'"
)

_gets, _cas = pylibmc.Client.gets, pylibmc.Client.cas  # these are asked in every request; super() takes its time


class Client(pylibmc.Client):
    """pylibmc 1.6.3 calls it a miss, too, when the server falls silent or the connection is found cut; but then
    libmemcached will not ask this server again, and so the next call is an error. Thus a miss is asked for twice."""

    def deserialize(self, value: bytes, flags: int) -> bytes:
        return value  # pylibmc's own would unpickle what anyone on the network has planted

    def close(self) -> None:
        self.disconnect_all()

    def get(self, key: bytes) -> Any:
        try:
            value = super().get(key)
            return super().gets(key)[0] if value is None else value  # it also has None for an empty value
        except pylibmc.Error as error:
            return self._skip(error)[0]

    def gets(self, key: bytes) -> Any:
        try:
            answer = _gets(self, key)
            return _gets(self, key) if answer[0] is None else answer
        except pylibmc.Error as error:
            return self._skip(error)

    def _skip(self, error: pylibmc.Error) -> tuple[None, None]:
        """A miss, where somebody has planted what pylibmc takes for a compressed value of its own."""
        if "decompress" not in str(error):
            raise error
        self.disconnect_all()  # in the middle of an answer
        return None, None

    def set(self, key: bytes, value: bytes, expiry: int) -> bool:
        if not super().set(key, value, expiry):
            raise pylibmc.Error("it did not store a value")
        return True

    def cas(self, key: bytes, value: bytes, token: Any, expiry: int) -> bool:
        try:
            return bool(_cas(self, key, value, token, expiry))
        except pylibmc.NotFound:  # deleted since
            return False


def driver(timeout: float, login: Login | None) -> Driver:
    if login and not pylibmc.support_sasl:
        raise ImportError("This pylibmc was built without SASL.")
    milliseconds = max(1, round(timeout * 1000))
    behaviors = {
        "cas": True,
        "tcp_nodelay": True,
        "connect_timeout": milliseconds,
        # Only this one ends the wait for a server that has gone silent (measured: the default is 5 s, and then a miss).
        "_poll_timeout": milliseconds,
        # Seconds in which a client that has failed fails at once. The pool never uses it again.
        "retry_timeout": 60,
    }

    def connect(server: str) -> Client:
        name = server.replace("[", "").replace("]", "")
        if login is None:
            return Client([name], behaviors={**behaviors, "verify_keys": True})  # a line break would begin a command
        user, password = str(login.username), str(login.password)
        client = Client([name], behaviors=behaviors, binary=True, username=user, password=password)
        _sign_in(client)
        return client

    return Driver(connect, (pylibmc.Error, RefusedError), _answered)


def _sign_in(client: Client) -> None:
    """Later calls tell only that the server is disabled for a second, not why."""
    try:
        client.get(b"demijohn")
    except pylibmc.Error as error:
        if _code(error) == _NO_SASL:
            raise RefusedError(_PLUGINS) from error
        if _code(error) == _SASL_FAILED:
            raise RefusedError("it refused the user name and the password") from error
        raise


def _answered(error: Exception) -> bool:
    known = pylibmc.ServerError | pylibmc.ClientError | pylibmc.TooBig
    return isinstance(error, known) or _code(error) == _NO_ROOM


def _code(error: Exception) -> int:
    """libmemcached's number, which most of pylibmc's errors have in their text only."""
    found = re.match(r"error (\d+) from", str(error))
    return int(found[1]) if found else 0
