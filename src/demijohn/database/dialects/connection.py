"""PyMySQL's connection, with what it leaves to chance: TLS that is asked for and not to be had, a server that takes the
connection and says nothing, a peer that has vanished."""

from __future__ import annotations

import socket
from typing import Any

from pymysql import connections
from pymysql.constants import CLIENT
from pymysql.err import OperationalError

from demijohn.database.tls import KEEPALIVE

#: Options of a TCP socket, as far as the system has them, and their values: seconds, and milliseconds for the last.
_OPTIONS = (
    ("TCP_KEEPIDLE", KEEPALIVE["keepalives_idle"]),
    ("TCP_KEEPALIVE", KEEPALIVE["keepalives_idle"]),  # macOS's name of it
    ("TCP_KEEPINTVL", KEEPALIVE["keepalives_interval"]),
    ("TCP_KEEPCNT", KEEPALIVE["keepalives_count"]),
    ("TCP_USER_TIMEOUT", KEEPALIVE["tcp_user_timeout"]),  # Linux
)
_CR_SSL_CONNECTION_ERROR = 2026
_Connection: Any = connections.Connection  # its types leave out what begins with an underscore


class Connection(_Connection):
    """A connection of PyMySQL 1.1 or later.

    :param plain_allowed: with `ssl`, go on in plain text where the server has no TLS. Otherwise that is an error, told
        before the password is sent; PyMySQL 1.1 goes on without a word.
    """

    def __init__(self, *args: Any, plain_allowed: bool = False, **options: Any) -> None:
        self._plain_allowed = plain_allowed
        super().__init__(*args, **options)  # which connects

    _read_timeout: float | None
    _write_timeout: float | None
    ssl: bool

    def connect(self, sock: Any = None) -> None:
        # PyMySQL's connect_timeout ends when TCP is through. A server that is stopped, or a proxy before none, takes
        # the connection and never says a word.
        patience = self._read_timeout, self._write_timeout
        self._read_timeout, self._write_timeout = (
            self.connect_timeout if seconds is None else min(seconds, self.connect_timeout) for seconds in patience
        )
        try:
            super().connect(sock)
        finally:
            self._read_timeout, self._write_timeout = patience
        if self._sock.family in (socket.AF_INET, socket.AF_INET6):
            for name, value in _OPTIONS:
                if hasattr(socket, name):
                    self._sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def _request_authentication(self) -> None:
        if self.ssl and not self.server_capabilities & CLIENT.SSL:
            if not self._plain_allowed:
                raise OperationalError(
                    _CR_SSL_CONNECTION_ERROR,
                    "TLS is required, by database.tls or by database.url, but the server does not have it",
                )
            self.ssl = False
            self.client_flag &= ~CLIENT.SSL
        super()._request_authentication()
