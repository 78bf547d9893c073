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
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.errors import SessionLockedError, StoreUnavailableError
from demijohn.sessions.options import Options
from demijohn.sessions.request import LOCKED, NOT_KEPT, RequestSession, refusal
from demijohn.sessions.stores import judge, open_store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from demijohn.sessions.session import Session
    from demijohn.sessions.stores.base import Store
    from demijohn.sessions.users import Visit

#: Where Beaker's users look for the session.
KEY = "beaker.session"


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
        if store is None:
            told = self.options
            judge(told.type or "memory", told.url, told.secrets, told.memcached_url)
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
        options = self.options
        store: Store = open_store(
            options.type or "memory",
            options.url,
            secrets=options.secrets,
            cookie_name=options.cookie.key,
            memcached_url=options.memcached_url,
        )
        return store

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
            try:
                return callback(*args, **kwargs)
            except StoreUnavailableError as error:
                raise refusal(NOT_KEPT, error) from error
            except SessionLockedError as error:
                raise refusal(LOCKED, error) from error

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
            self._session_class = session_class(self.store)
        return self._session_class(header, self._store or self.store, self.options)

    # All the sessions of one user

    @property
    def can_list(self) -> bool:
        """Whether the store can find all the sessions of a user, for `of` and `end_all`."""
        from demijohn.sessions.stores.base import Listing

        return isinstance(self.store, Listing)

    def of(self, user: int | str) -> list[Visit]:
        """The sessions in which `user`, the key that `session.login` was given, is signed in. The newest first.

        :raises StoreCannotError: the store cannot list.
        """
        from demijohn.sessions import users

        return users.visits(self.store, user, self.options.timeout)

    def end_all(self, user: int | str, keep: str | None = None) -> int:
        """Sign `user` out everywhere. Returns how many sessions there were.

        :param keep: the id of a session that stays: `session.id` for the one of this request.
        :raises StoreCannotError: the store cannot list.
        """
        from demijohn.sessions import users

        return users.end_all(self.store, user, keep)

    def create_table(self) -> None:
        """Make the table of a store that has one, if it is missing: when the site is put up, never in a request."""
        if hasattr(self.store, "create_table"):
            self.store.create_table()

    def close(self) -> None:
        """Close the store's connections at rest."""
        if self._store is not None:
            self._store.close()


def session_class(store: Any) -> type[Session]:
    """The class of the sessions that this store keeps."""
    if store.name == "cookie":
        from demijohn.sessions.carried import CarriedSession

        return CarriedSession
    from demijohn.sessions.session import Session

    return Session


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
