"""pymemcache: pure Python, always installed. It knows no SASL."""

from __future__ import annotations

from functools import partial
from typing import Any

from pymemcache import Client
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
)

from demijohn.memcached.client import Driver


def driver(timeout: float) -> Driver:
    options: dict[str, Any] = {
        "connect_timeout": timeout,
        "timeout": timeout,
        "no_delay": True,
        "default_noreply": False,  # or `add` would always say that it stored
    }
    return Driver(partial(Client, **options), (MemcacheError, OSError), _answered)


def _answered(error: Exception) -> bool:
    said = isinstance(error, MemcacheServerError | MemcacheClientError)
    return said and not isinstance(error, MemcacheUnexpectedCloseError)
