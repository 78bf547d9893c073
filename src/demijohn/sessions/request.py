"""The session of one request: what handlers get, and what is in `environ['beaker.session']`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.errors import DemijohnError, StoreUnavailableError

if TYPE_CHECKING:
    from demijohn.sessions.plugin import Sessions
    from demijohn.sessions.session import Flash, Session

NOT_KEPT = "Your session could not be kept, because its store is not answering. Please try again in a moment."
LOCKED = "Another request of yours is still being worked on. Please try again in a moment."


class RequestSession:
    """The session of one request, not read from its store before it is used. Behaves as `Session`, and settles it."""

    __slots__ = ("_forgotten", "_header", "_loaded", "_participants", "_scheme", "_sessions")
    order = 10  # after the database: a session must not remember what the database refused

    def __init__(self, environ: dict[str, Any], sessions: Sessions) -> None:
        # Not the environ, which holds this: a circle keeps a whole request in memory until the collector comes by.
        self._header: str = environ.get("HTTP_COOKIE", "")
        self._scheme: str = environ.get("wsgi.url_scheme", "")
        self._participants: list[lifetime.Participant] | None = environ.get(lifetime.KEY)
        self._sessions = sessions
        self._loaded: Session | None = None
        self._forgotten = False

    def _read(self) -> Session:
        session = self._loaded
        if session is None:
            session = self._loaded = self._sessions.load(self._header)
            if self._participants is not None:  # else SessionMiddleware settles it
                lifetime.join(self._participants, self)
        return session

    def _session(self) -> Session:
        """The session, to be looked over for changes at the end of the request."""
        session = self._loaded
        if session is None:
            session = self._read()
        session.lent = True
        return session

    def accessed(self) -> bool:
        """Whether the session has been used in this request."""
        return self._loaded is not None

    def known(self) -> bool:
        """Whether the visitor has sent a session's cookie. Reads nothing."""
        return self._loaded is not None or self._sessions.options.cookie.key in self._header

    def save(self) -> None:
        """Have the session written at the end of the request, even if `session.auto` is off."""
        self._session()._must_save = True

    def persist(self) -> None:
        """Write the session now."""
        self._session().save()

    def dirty(self) -> bool:
        """Whether there is something to write."""
        return self._loaded is not None and self._loaded.changed

    def forget(self) -> None:
        """Leave the session as it is: this request does not write it, does not move its end on, and sends no cookie.
        For what a page asks for by itself every few seconds, which must not keep its visitor signed in."""
        self._forgotten = True

    @property
    def user(self) -> int | str | None:
        """The key of the user who is signed in, as it was given to `login`; None where nobody is."""
        return self._read().user

    def flashes(self) -> list[Flash]:
        """The messages that wait to be shown. They are shown once."""
        session = self._read()
        found = session.flashes()
        if found:
            session.lent = True
        return found

    def prepare(self, status: int) -> None:
        session = self._loaded
        if session is not None and session.lent and not self._forgotten:
            try:
                session.check()
            except StoreUnavailableError as error:
                self._refuse(error)

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        session = self._loaded
        if session is None:
            return
        if self._forgotten:
            if headers is not None:
                headers.append(("Vary", "Cookie"))
            return
        try:
            # As Django has it: what a failed request did is not remembered.
            session.settle(self._scheme, headers, status >= 500)
        except StoreUnavailableError as error:
            self._refuse(error)

    def _refuse(self, error: StoreUnavailableError) -> None:
        # Whoever has not been signed out must not be told that they have.
        if not self._sessions.options.drops or (self._loaded is not None and self._loaded.ends_another):
            raise refusal(NOT_KEPT, error) from error
        from demijohn.sessions.kept import tell

        tell(error)

    def close(self) -> None:
        """Nothing is held between the read and the write."""

    # The rest is the session's.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session(), name)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        session = self._read()
        value = session.get(key, default)
        if type(value) in _CHANGEABLE:
            session.lent = True
        return value

    def __getitem__(self, key: str) -> Any:
        session = self._read()
        value = session[key]
        if type(value) in _CHANGEABLE:
            session.lent = True
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._session()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._session()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<session, {'not read yet' if self._loaded is None else self._loaded!r}>"


#: What a value from JSON can be that may be changed in place.
_CHANGEABLE = (list, dict)


def refusal(sentence: str, error: DemijohnError) -> bottle.HTTPError:
    """The answer to a request whose session cannot be kept."""
    return bottle.HTTPError(503, sentence, error, retry_after="2")
