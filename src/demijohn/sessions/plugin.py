"""`Sessions`: a Bottle plugin. Works in any Bottle app:

    app = bottle.Bottle()
    app.install(Sessions({"session.type": "ext:memcached", "session.url": "127.0.0.1:11211"}))

    @app.get("/visits")
    def visits(session):
        session["visits"] = session.get("visits", 0) + 1
        return f"You were here {session['visits']} times."

For WSGI apps of any kind there is `SessionMiddleware`, which takes what Beaker's takes.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.errors import StoreUnavailableError
from demijohn.sessions.options import Options
from demijohn.sessions.stores import Store, open_store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from demijohn.sessions.session import Session

#: Where Beaker's users look for the session.
KEY = "beaker.session"

NOT_KEPT = "Your session could not be kept, because its store is not answering. Please try again in a moment."


class Sessions:
    """A session for each visitor: handlers that name `session` get it, `environ['beaker.session']` has it.

    :param options: Beaker's, with or without the prefix `session.`.
    :param store: the store, or what makes it at the first use; None: as `type` and `url` say.
    :param keyword: the name of the handler's argument.
    :raises SessionOptionError: an option is unknown or wrong.
    """

    name = "sessions"
    api = 2

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        store: Store | Callable[[], Store] | None = None,
        keyword: str = "session",
    ) -> None:
        self.options = Options(options or {})
        self.keyword = keyword
        self._store = store if not callable(store) else None
        self._make_store = store if callable(store) else None
        self._opening = threading.Lock()
        self._session_class: type[Session] | None = None

    @property
    def store(self) -> Store:
        """Where the sessions are kept."""
        if self._store is None:
            with self._opening:  # the first requests may come together
                if self._store is None:
                    self._store = self._open_store()
        return self._store

    def _open_store(self) -> Store:
        if self._make_store is not None:
            return self._make_store()
        return open_store(self.options.type or "memory", self.options.url)

    def setup(self, app: Any) -> None:
        def place(environ: dict[str, Any]) -> None:
            environ[KEY] = RequestSession(environ, self)

        lifetime.attach(app, place)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        keyword = self.keyword
        if keyword not in inspect.signature(route.callback).parameters:
            return callback
        request = bottle.request

        def with_session(*args: Any, **kwargs: Any) -> Any:
            kwargs[keyword] = self.open(request.environ)
            return callback(*args, **kwargs)

        return with_session

    def open(self, environ: dict[str, Any]) -> RequestSession:
        """The session of the request with this environ; the same one each time. Nothing is read before it is used."""
        session = environ.get(KEY)
        if session is None:  # a mounted app, whose hooks Bottle does not run
            session = environ[KEY] = RequestSession(environ, self)
        return session

    def load(self, header: str) -> Session:
        """Read the session that a Cookie header names."""
        if self._session_class is None:
            from demijohn.sessions.session import Session

            self._session_class = Session
        return self._session_class(header, self._store or self.store, self.options)

    def close(self) -> None:
        """Close the store's connections at rest."""
        if self._store is not None:
            self._store.close()


class RequestSession:
    """The session of one request, not read from its store before it is used. Behaves as `Session`, and settles it."""

    __slots__ = ("_header", "_loaded", "_participants", "_scheme", "_sessions")
    order = 10  # after the database: a session must not remember what the database refused

    def __init__(self, environ: dict[str, Any], sessions: Sessions) -> None:
        # Not the environ, which holds this: a circle keeps a whole request in memory until the collector comes by.
        self._header: str = environ.get("HTTP_COOKIE", "")
        self._scheme: str = environ.get("wsgi.url_scheme", "")
        self._participants: list[lifetime.Participant] | None = environ.get(lifetime.KEY)
        self._sessions = sessions
        self._loaded: Session | None = None

    def _read(self) -> Session:
        session = self._loaded
        if session is None:
            session = self._loaded = self._sessions.load(self._header)
            if self._participants is not None:  # else SessionMiddleware settles it
                lifetime.join(self._participants, self)
        return session

    def _session(self) -> Session:
        """The session, to be looked over for changes at the end of the request."""
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

    def prepare(self, status: int) -> None:
        session = self._loaded
        if session is not None and session.lent:
            _or_refuse(session.check)

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        session = self._loaded
        if session is not None and status < 500:  # as Django has it: what a failed request did is not remembered
            _or_refuse(lambda: session.settle(self._scheme, headers))

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


def _or_refuse(step: Callable[[], None]) -> None:
    try:
        step()
    except StoreUnavailableError as error:
        raise bottle.HTTPError(503, NOT_KEPT, error, retry_after="2") from error


class SessionMiddleware:
    """Sessions for any WSGI app, in the place of Beaker's class of the same name and with its options.

    :param wrap_app: the WSGI app.
    :param config: Beaker's options, such as `{'session.type': 'ext:memcached', 'session.url': '127.0.0.1:11211'}`.
    :param environ_key: where in the environ the app finds its session.
    """

    def __init__(
        self, wrap_app: WSGIApplication, config: Mapping[str, Any] | None = None, environ_key: str = KEY, **options: Any
    ) -> None:
        given = {k: v for k, v in (config or {}).items() if "session." in k} or dict(config or {})
        self.sessions = Sessions({**given, **options})
        self.app = self.wrap_app = wrap_app
        self._key = environ_key

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        session = environ[self._key] = RequestSession(environ, self.sessions)
        refusal: list[bottle.HTTPError] = []

        def start(status: str, headers: lifetime.Headers, exc_info: Any = None) -> Any:
            try:
                session.settle(int(status[:3]), headers)
            except bottle.HTTPError as error:
                refusal.append(error)
                status = error.status_line
                headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Retry-After", "2")]
            return start_response(status, headers, exc_info)

        out = self.app(environ, start)
        if not refusal:
            return out
        if hasattr(out, "close"):
            out.close()
        return [NOT_KEPT.encode()]
