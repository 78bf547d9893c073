"""For those who keep Beaker's own middleware.

With our session class it does all that `demijohn.sessions.SessionMiddleware` does:

    SessionMiddleware(app, {"session.type": "sql", "session.url": "sqlite:///site.sqlite",
                            "session.session_class": demijohn.sessions.beaker.Session})

With its own session class and one of our stores as its backend, records expire and are deleted for real; no more:

    SessionMiddleware(app, {"session.type": "demijohn.memcached", "session.url": "127.0.0.1:11211"})
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import beaker.session
from beaker.container import NamespaceManager
from beaker.exceptions import MissingCacheParameter

from demijohn.errors import SessionOptionError
from demijohn.sessions.carried import CarriedSession
from demijohn.sessions.options import Options
from demijohn.sessions.session import Session as OurSession
from demijohn.sessions.stores import known, open_store
from demijohn.sessions.stores.base import FRESH, Store

#: Seconds, where Beaker is given no timeout: thirty days.
_TTL = 30 * 24 * 3600


_stores: dict[Hashable, Store] = {}  # Beaker makes a session a request, and knows of no pools


def _store(kind: str, url: Any = None, memcached_url: Any = None, secret: Any = None, key: str = "session") -> Store:
    secrets = (secret,) if isinstance(secret, str) else tuple(secret or ())
    which = (known(kind), repr(url), repr(memcached_url), secrets, key)
    if which not in _stores:
        _stores[which] = open_store(kind, url, secrets=secrets, cookie_name=key, memcached_url=memcached_url)
    return _stores[which]


def close_stores() -> None:
    """Close the connections of all stores that Beaker's middlewares have opened in this process."""
    while _stores:
        _stores.popitem()[1].close()


class Session(OurSession, beaker.session.Session):
    """Our session, as Beaker's middleware makes and ends it: the option `session.session_class`.

    :param request: how the two talk about the cookie: `cookie`, what the visitor sent; `cookie_out` and `set_cookie`.
    :param params: Beaker's options, without a prefix.
    """

    def __new__(cls, request: dict[str, Any], **params: Any) -> Session:
        return super().__new__(_Carried if known(params.get("type") or "memory") == "cookie" else cls)

    def __init__(self, request: dict[str, Any], **params: Any) -> None:
        # Beaker's middleware adds options of its own; whether these are known has been Beaker's to judge.
        chosen = {name: value for name, value in params.items() if name in Options.NAMES}
        options = Options({"secure": False, "httponly": False, **chosen})
        store = _store(
            options.type or "memory", options.url, options.memcached_url, options.secrets, options.cookie.key
        )
        self.request = request
        request["set_cookie"] = False
        super().__init__(request.get("cookie") or "", store, options)
        self.lent = True  # Beaker does not tell what its users do

    def save(self, accessed_only: bool = False) -> None:
        touched = False
        # With session.auto Beaker saves whatever was looked at.
        if not self._must_save and (accessed_only or not self.changed):
            self.forget_ended()
            touched = self._touch()
        else:
            super().save()
        set_cookie = self._set_cookie("http", touched)  # Beaker does not tell the scheme
        if set_cookie is not None:
            self.request.update(cookie_out=set_cookie, set_cookie=True)


class _Carried(CarriedSession, Session):
    """The same, for the cookie store."""


class _Namespace(NamespaceManager):
    """Beaker makes one of these a session; it asks for the key `session` only."""

    kind: str

    def __init__(
        self, namespace: str, url: Any = None, timeout: int | None = None, memcached_url: Any = None, **_ignored: Any
    ) -> None:
        super().__init__(namespace)
        try:
            self._store = _store(self.kind, url, memcached_url)
        except SessionOptionError as error:
            raise MissingCacheParameter(str(error)) from error
        self._ttl = timeout or _TTL
        # Beaker adopts any id that a visitor sends. One of another shape never reaches a server.
        self._id = f"beaker-{namespace}" if re.fullmatch(r"[0-9a-f]{32}", namespace) else None

    def __getitem__(self, key: str) -> str:
        record = None if self._id is None else self._store.read(self._id)
        if record is None:
            raise KeyError(key)
        return record.payload.decode()

    def __contains__(self, key: object) -> bool:
        return self._id is not None and self._store.read(self._id) is not None

    def __setitem__(self, key: str, value: str | bytes) -> None:
        if self._id is None:
            raise ValueError("This session id was not made by Beaker, so it is not kept.")
        payload = value if isinstance(value, bytes) else value.encode()
        while self._store.add(self._id, payload, self._ttl) is None:
            record = self._store.read(self._id, FRESH)
            if record is not None and self._store.replace(self._id, payload, record.token, self._ttl):
                break

    def set_value(self, key: str, value: str | bytes, expiretime: float | None = None) -> None:
        self[key] = value

    def __delitem__(self, key: str) -> None:
        if self._id is not None:
            self._store.delete(self._id)

    def do_remove(self) -> None:
        del self["session"]

    def keys(self) -> list[str]:
        return ["session"] if "session" in self else []


class SqlNamespace(_Namespace):
    kind = "sql"


class MemcachedNamespace(_Namespace):
    kind = "memcached"


class CachedSqlNamespace(_Namespace):
    kind = "cached-sql"


class RedisNamespace(_Namespace):
    kind = "redis"


class MemoryNamespace(_Namespace):
    kind = "memory"


class CookieNamespace(_Namespace):
    """Beaker hands its backends no cookie, so this one can only say what to do."""

    kind = "cookie"

    def __init__(self, namespace: str, **_ignored: Any) -> None:
        raise MissingCacheParameter(
            "With the session store 'demijohn.cookie' Beaker's middleware needs our session class: set "
            "session.session_class to demijohn.sessions.beaker.Session."
        )
