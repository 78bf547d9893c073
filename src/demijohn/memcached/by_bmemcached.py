"""bmemcached: pure Python, and knows SASL. Written against python-binary-memcached 0.33."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from bmemcached.exceptions import InvalidCredentials, MemcachedException
from bmemcached.protocol import Protocol

from demijohn.memcached.client import Driver, Login, RefusedError

# Protocol.STATUS has 8 for it; memcached says 32 (protocol_binary.h, PROTOCOL_BINARY_RESPONSE_AUTH_ERROR).
_AUTH_ERROR = 0x20


class Client(Protocol):
    """Its Client would keep a server that failed apart for 5 seconds, and calls a server that is down a miss. Its
    Protocol, one connection to one server, needs only the changes below."""

    connection: socket.socket | None

    # It is a `threading.local`, which would open a connection more for each thread that the pool lends it to.
    __getattribute__ = object.__getattribute__

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def _connection_error(self, exception: OSError) -> None:
        self.disconnect()
        raise exception  # or it would be a miss

    def _open_connection(self) -> None:
        if self.connection or not self.server_uses_unix_socket:
            super()._open_connection()
            return
        self.connection = connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self.socket_timeout)  # its own socket would wait for ever
        connection.connect(self.server)
        self._send_authentication()

    def _send_authentication(self) -> Any:
        try:
            return super()._send_authentication()
        except MemcachedException as error:
            self.disconnect()
            if isinstance(error, InvalidCredentials) or error.code == _AUTH_ERROR:
                raise RefusedError("it refused the user name and the password") from error
            raise

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = super().get(key)[0]
        return value

    def gets(self, key: bytes) -> Any:
        return super().get(key)

    def delete(self, key: bytes) -> bool:
        """Its own is also True where there was nothing to delete."""
        command = self.COMMANDS["delete"]
        size = len(key)
        self._send(command["packer"].pack(self.MAGIC["request"], command["command"], size, 0, 0, 0, size, 0, 0) + key)
        _, _, _, _, _, status, _, _, _, words = self._get_response()
        if status not in (self.STATUS["success"], self.STATUS["key_not_found"]):
            raise MemcachedException(f"Code: {status} message: {words}", status)
        return bool(status == self.STATUS["success"])

    def close(self) -> None:
        self.disconnect()


def driver(timeout: float, login: Login | None) -> Driver:
    user, password = (str(login.username), str(login.password)) if login else (None, None)
    # raw_data: bytes as they are, never compressed, and none unpickled, whatever the flags say.
    connect = partial(Client, username=user, password=password, socket_timeout=timeout, raw_data=True)
    return Driver(connect, (MemcachedException, OSError, RefusedError), _answered)


def _answered(error: Exception) -> bool:
    # The others come before any answer, or are an answer that makes no sense.
    return isinstance(error, MemcachedException) and error.code not in (None, Protocol.STATUS["server_disconnected"])
