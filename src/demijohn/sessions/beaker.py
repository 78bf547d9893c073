"""For those who keep Beaker's own middleware.

With our session class it does all that `demijohn.sessions.SessionMiddleware` does:

    SessionMiddleware(app, {"session.type": "sql", "session.url": "sqlite:///site.sqlite",
                            "session.session_class": demijohn.sessions.beaker.Session})

With its own session class and one of our stores as its backend, records expire and are deleted for real; no more:

    SessionMiddleware(app, {"session.type": "demijohn.memcached", "session.url": "127.0.0.1:11211"})
"""

from __future__ import annotations

import re
from typing import Any

import beaker.session
from beaker.container import NamespaceManager
from beaker.exceptions import MissingCacheParameter

from demijohn.sessions.options import Options
from demijohn.sessions.session import Session as OurSession
from demijohn.sessions.stores import Store, open_store

#: Seconds, where Beaker is given no timeout: thirty days.
_TTL = 30 * 24 * 3600


_stores: dict[tuple[str, str | None], Store] = {}  # Beaker makes a session a request, and knows of no pools


def _store(kind: str, url: str | None) -> Store:
    if (kind, url) not in _stores:
        _stores[kind, url] = open_store(kind, url)
    return _stores[kind, url]


def close_stores() -> None:
    """Close the connections of all stores that Beaker's middlewares have opened in this process."""
    while _stores:
        _stores.popitem()[1].close()


class Session(OurSession, beaker.session.Session):
    """Our session, as Beaker's middleware makes and ends it: the option `session.session_class`.

    :param request: how the two talk about the cookie: `cookie`, what the visitor sent; `cookie_out` and `set_cookie`.
    :param params: Beaker's options, without a prefix.
    """

    def __init__(self, request: dict[str, Any], **params: Any) -> None:
        # Beaker's middleware adds options of its own; whether these are known has been Beaker's to judge.
        known = {name: value for name, value in params.items() if name in Options.NAMES}
        options = Options({"secure": False, "httponly": False, **known})
        self.request = request
        request["set_cookie"] = False
        super().__init__(request.get("cookie") or "", _store(options.type or "memory", options.url), options)
        self.lent = True  # Beaker does not tell what its users do

    def save(self, accessed_only: bool = False) -> None:
        was_new, left = self.is_new, bool(self._ended)
        # With session.auto Beaker saves whatever was looked at.
        if not self._must_save and (accessed_only or not self.changed):
            self.forget_ended()
            super().save(accessed_only=True)
        else:
            super().save()
        cookie, scheme = self._options.cookie, "http"  # Beaker does not tell
        if not self.is_new and (was_new or cookie.slides):
            self._send(cookie.header(self._options.seal.close(self.id), scheme))
        elif self.is_new and left:
            self._send(cookie.expiring(scheme))

    def _send(self, header: str) -> None:
        self.request["cookie_out"] = header
        self.request["set_cookie"] = True


class _Namespace(NamespaceManager):
    """Beaker makes one of these a session; it asks for the key `session` only."""

    kind: str

    def __init__(self, namespace: str, url: str | None = None, timeout: int | None = None, **_ignored: Any) -> None:
        super().__init__(namespace)
        if not url:
            raise MissingCacheParameter(f"demijohn.{self.kind} needs session.url")
        self._store = _store(self.kind, url)
        self._ttl = timeout or _TTL
        # Beaker adopts any id that a visitor sends. One of another shape never reaches a server.
        self._id = f"beaker-{namespace}" if re.fullmatch(r"[0-9a-f]{32}", namespace) else None

    def __getitem__(self, key: str) -> str:
        record = None if self._id is None else self._store.read(self._id)
        if record is None:
            raise KeyError(key)
        return record.payload.decode()

    def __contains__(self, key: str) -> bool:
        return self._id is not None and self._store.read(self._id) is not None

    def __setitem__(self, key: str, value: str | bytes) -> None:
        if self._id is None:
            raise ValueError("This session id was not made by Beaker, so it is not kept.")
        payload = value if isinstance(value, bytes) else value.encode()
        while not self._store.add(self._id, payload, self._ttl):
            record = self._store.read(self._id)
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
