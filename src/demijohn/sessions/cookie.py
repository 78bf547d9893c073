"""The cookie that carries a session's id."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import formatdate
from functools import lru_cache

_ID = r"[A-Za-z0-9_-]{43}\Z"  # not compiled at boot
#: Characters of a value with an id, a mark and a fence. Longer ones are not looked at, and so not remembered.
LARGEST = 84
#: Seconds. Browsers keep no cookie longer (RFC 6265bis section 5.5).
LONGEST = 400 * 24 * 3600


def new_id() -> str:
    """A new session id: 43 characters, 256 random bits."""
    return secrets.token_urlsafe(32)


def read_cookie(header: str, name: str) -> str | None:
    """The value of the cookie `name` in a Cookie header. Other cookies may be as broken as they like."""
    start = header.find(name + "=")
    while start >= 0:
        if start == 0 or header[start - 1] in " ;":
            value = header[start + len(name) + 1 :]
            return value.partition(";")[0].strip().strip('"')
        start = header.find(name + "=", start + 1)
    return None


class Seal:
    """Signs ids, so that a made-up one costs no round trip to the store.

    :param keys: newest first: the first signs, all are accepted. None at all: ids go unsigned.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [b"demijohn session id " + key.encode() for key in keys]
        #: The id and the fence (0: none) in a cookie's value, or None where it is not one of ours. Visitors come back:
        #: the last are remembered.
        self.open = lru_cache(maxsize=1024)(self._open)

    def close(self, id: str, fence: int = 0) -> str:
        """The cookie's value for `id`. The fence is not signed: who changes it changes only where their own session is
        looked for."""
        value = f"{id}.{_mark(self._keys[0], id)}" if self._keys else id
        return f"{value}~{fence}" if fence else value

    def _open(self, value: str) -> tuple[str, int] | None:
        value, _, fence = value.partition("~")
        id, _, mark = value.partition(".")
        if not re.match(_ID, id) or len(fence) > 15 or not (fence or "0").isdecimal() or not fence.isascii():
            return None
        if self._keys:
            given = mark.encode("utf8", "replace")
            if not any(hmac.compare_digest(_mark(key, id).encode(), given) for key in self._keys):
                return None
        elif mark:
            return None
        return id, int(fence or 0)


def _mark(key: bytes, id: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, id.encode(), "sha256")[:18]).decode()  # 144 bits: no padding


class CookieRule:
    """How the cookie is sent; the names and meanings are Beaker's."""

    def __init__(
        self,
        key: str,
        *,
        expires: bool | int | timedelta | datetime,
        domain: str | None,
        path: str,
        secure: bool | None,  # None: over https
        httponly: bool,
        samesite: str | None,
    ) -> None:
        self.key = key
        self.secure = secure
        #: Whether the cookie has an end of its own, which must move on with the session's.
        self.slides = expires is not True
        self._expires = expires
        self._tail = f"; Path={path}"
        if domain:
            self._tail += f"; Domain={domain}"
        if httponly:
            self._tail += "; HttpOnly"
        if samesite:
            self._tail += f"; SameSite={samesite}"

    def header(self, value: str, scheme: str) -> str:
        """The Set-Cookie header that sets `value`."""
        return f"{self.key}={value}{self._age()}{self._flags(scheme)}"

    def expiring(self, scheme: str) -> str:
        """The Set-Cookie header that takes the cookie back."""
        return f"{self.key}=; Max-Age=0; Expires={formatdate(0, usegmt=True)}{self._flags(scheme)}"

    def _flags(self, scheme: str) -> str:
        secure = scheme == "https" if self.secure is None else self.secure
        return self._tail + "; Secure" if secure else self._tail

    def _age(self) -> str:
        expires = self._expires
        if expires is True:
            return ""
        if expires is False:
            return f"; Max-Age={LONGEST}"
        if isinstance(expires, datetime):
            return f"; Expires={formatdate(expires.timestamp(), usegmt=True)}"
        seconds = int(expires.total_seconds()) if isinstance(expires, timedelta) else expires
        return f"; Max-Age={seconds}; Expires={formatdate(time.time() + seconds, usegmt=True)}"
