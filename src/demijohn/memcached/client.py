"""What the pool asks of a client, and which client it is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from demijohn.errors import MemcachedClientMissingError

NAMES = ("pylibmc", "pymemcache", "bmemcached")


class Client(Protocol):
    """One connection to one server; for one thread at a time. Expiries are memcached's: seconds, or a date.

    A miss is None, (None, None) or False only when the server has said so; everything else raises.
    """

    def get(self, key: bytes) -> bytes | None: ...
    def gets(self, key: bytes) -> tuple[bytes | None, Any]: ...
    def set(self, key: bytes, value: bytes, expiry: int) -> bool: ...
    def add(self, key: bytes, value: bytes, expiry: int) -> bool: ...
    def cas(self, key: bytes, value: bytes, token: Any, expiry: int) -> bool | None: ...
    def delete(self, key: bytes) -> bool: ...
    def close(self) -> None: ...


class Login(NamedTuple):
    """A user and a password, for SASL."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ...)"


class Driver(NamedTuple):
    """A package that speaks to memcached."""

    #: Makes a client of one server.
    connect: Callable[[str], Client]
    #: What its clients raise.
    errors: tuple[type[Exception], ...]
    #: Whether an error is what the server has answered: it is not down.
    answered: Callable[[Exception], bool]


class RefusedError(Exception):
    """The server takes nothing from us before it knows who we are."""


def driver(name: str | None, timeout: float, login: Login | None) -> Driver:
    """The client called `name`, or the first of those that will do which is installed. `timeout` is in seconds.

    Of those that know SASL, bmemcached is the first: pylibmc leaves it to Cyrus's libsasl, and the one in its wheel
    finds its plugins on few machines.
    """
    fitting = ("bmemcached", "pylibmc") if login else NAMES
    for choice in (name,) if name else fitting:
        try:
            return _open(choice, timeout, login)
        except ImportError as error:
            missing = error
    raise MemcachedClientMissingError(name or fitting[0], sasl=login is not None) from missing


def _open(name: str, timeout: float, login: Login | None) -> Driver:
    # Before our own module, whose failed import would hand half of it to another thread that imports it, too.
    importlib.import_module(name)
    if name == "pylibmc":
        from demijohn.memcached import by_pylibmc

        return by_pylibmc.driver(timeout, login)
    if name == "bmemcached":
        from demijohn.memcached import by_bmemcached

        return by_bmemcached.driver(timeout, login)
    from demijohn.memcached import by_pymemcache

    return by_pymemcache.driver(timeout)
