"""`Site`: a Bottle app that reads its settings and installs the parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import config
from demijohn.bodies import Bodies
from demijohn.config.prepared import FOLDER as BUNDLED
from demijohn.database import Database
from demijohn.errorpages import error_page
from demijohn.health import Health
from demijohn.sessions import RequestSession, Sessions
from demijohn.static import Static
from demijohn.views import Views

if TYPE_CHECKING:
    from typing import TypeVar

    from demijohn.memcached import Memcached
    from demijohn.sessions.session import Flash
    from demijohn.sessions.stores.base import Store

    Handler = TypeVar("Handler", bound=Callable[..., Any])


class Site(bottle.Bottle):
    """A Bottle app with its parts. Handlers ask for what they want by name: `def show(id, db, session)`.

    :param root: the folder with `config.yaml`, `views/` and `static/`. None: this is `bottle.Bottle` and nothing more.
    :param settings: settings by their dotted names, such as `{"session.timeout": 600}`. They win over all others.
    :param options: as `bottle.Bottle` takes them.
    :raises ConfigError: naming everything that is wrong with the settings.
    """

    if TYPE_CHECKING:  # Bottle's own, which say nothing of types: a decorated handler keeps its own

        def route(
            self, path: str | list[str], method: str | list[str] = "GET", **options: Any
        ) -> Callable[[Handler], Handler]: ...
        def get(self, path: str | list[str], **options: Any) -> Callable[[Handler], Handler]: ...
        def post(self, path: str | list[str], **options: Any) -> Callable[[Handler], Handler]: ...
        def put(self, path: str | list[str], **options: Any) -> Callable[[Handler], Handler]: ...
        def delete(self, path: str | list[str], **options: Any) -> Callable[[Handler], Handler]: ...
        def patch(self, path: str | list[str], **options: Any) -> Callable[[Handler], Handler]: ...
        def error(self, code: int = 500) -> Callable[[Handler], Handler]: ...
        def hook(self, name: str) -> Callable[[Handler], Handler]: ...
        def get_url(self, routename: str, **arguments: Any) -> str: ...

    def __init__(
        self, root: str | os.PathLike[str] | None = None, settings: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._cased = root is not None
        if root is None:
            return
        #: The settings, each with its source.
        self.settings = config.load(os.fspath(root), settings)
        for name in self.settings:
            self.config[name] = self.settings[name]
        self._memcached: Memcached | None = None
        development = self.development = self.settings["environment"] == "development"

        #: Request bodies within their limits.
        self.bodies = self.install(Bodies(limit=self.settings["body.limit"]))
        database = self.settings.section("database")
        #: The database: `site.db.Model`, `site.db.session`, `with site.db.unit() as db:`.
        self.db: Database = self.install(
            Database(
                database.pop("url"),
                watch=development,
                migrations=os.path.join(self.settings.root, "migrations"),
                workers=self.settings["server.workers"],
                **database,
            )
        )
        #: `/_health/live` and `/_health/ready`.
        self.health: Health = self.install(Health({"database": self.db.health} if self.db.url else {}))
        #: The visitors' sessions.
        self.sessions: Sessions = self.install(Sessions(self._session_options(), store=self._make_store))
        #: The static files.
        self.static: Static = self.install(
            Static(
                self._path("static.path"),
                self.settings["static.url"],
                development=development,
                table=os.path.join(self.settings.root, BUNDLED, "static.json"),
            )
        )
        #: The templates.
        self.views: Views = self.install(
            Views(
                self._path("views.path"),
                development=development,
                reach={
                    "session": _CurrentSession(self),
                    "messages": self.messages,
                    "static_url": self.static_url,
                    "settings": self.settings,
                },
                compiled=os.path.join(self.settings.root, BUNDLED, "views"),
            )
        )

    def render(self, template: str, /, **variables: Any) -> str:
        """The template of this name in `views/`, with these variables, as text."""
        return self.views.render(template, **variables)

    def static_url(self, name: str) -> str:
        """The address of the static file `name`, with a hash of its content: a changed file has another address."""
        address: str = self.static.url(name)
        return address

    def messages(self) -> list[Flash]:
        """The flash messages that wait for this visitor; they are shown once. Who has no session costs nothing."""
        session = self.sessions.open(bottle.request.environ)
        return session.flashes() if session.known() else []

    @property
    def memcached(self) -> Memcached | None:
        """The pool of memcached clients, or None where no server is set."""
        if self._memcached is None and self.settings["memcached.url"]:
            self.__dict__["_memcached"] = self._open_memcached(self.settings["memcached.url"])
        return self._memcached

    def create_tables(self) -> list[str]:
        """Make the tables that are missing: the models', and the parts' own. Returns their names."""
        if self.session_type in ("sql", "cached-sql"):
            self.sessions.create_table()  # a database of its own; else the store has declared its table
        return self.db.create_all() if self.settings["database.url"] else []

    @property
    def session_type(self) -> str:
        """The name of the store that sessions are kept in."""
        kind: str = self.settings["session.type"]
        return kind

    # Handlers of a mounted or merged Bottle app can name `db` and `session`, too.

    def mount(self, prefix: str, app: Any, **options: Any) -> None:
        self._share_parts(app)
        super().mount(prefix, app, **options)

    mount.__doc__ = bottle.Bottle.mount.__doc__

    def merge(self, routes: Any) -> None:
        self._share_parts(routes)
        super().merge(routes)

    def default_error_handler(self, res: Any) -> Any:
        if not self._cased:
            return super().default_error_handler(res)
        return error_page(res, self._own_error_page, self.development)

    def _own_error_page(self, **variables: Any) -> str | None:
        template = self.views.find("error")
        return None if template is None else template.render(variables)

    def _share_parts(self, app: Any) -> None:
        if not self._cased or not isinstance(app, bottle.Bottle) or getattr(app, "_cased", False):
            return
        for part in (self.db, self.sessions):
            if part not in app.plugins:
                app.install(part)

    def _path(self, name: str) -> str:
        return os.path.join(self.settings.root, self.settings[name])

    def _session_options(self) -> dict[str, Any]:
        options = self.settings.section("session")
        secure = options.pop("secure")
        return {**options, "secure": None if secure == "auto" else secure}

    def _make_store(self) -> Store:
        kind, url = self.session_type, self.settings["session.url"]
        if kind == "memcached":
            from demijohn.sessions.stores.memcached import MemcachedStore

            return MemcachedStore(self._open_memcached(url) if url else self._need_memcached())
        if kind in ("sql", "cached-sql"):
            from demijohn.sessions.stores.sql import SqlStore

            sql = SqlStore.at(url) if url else SqlStore(self.db.alone, self.db.metadata)
            if kind == "sql":
                return sql
            from demijohn.sessions.stores.cached import CachedSqlStore

            return CachedSqlStore(sql, self._need_memcached())
        if kind == "redis":
            from demijohn.sessions.stores.redis import RedisStore

            redis = self.settings.section("redis")
            address = redis.pop("url")
            return RedisStore.at(url or address, **redis)
        from demijohn.sessions.stores import open_store

        options = self.sessions.options
        store: Store = open_store(kind, url, secrets=options.secrets, cookie_name=options.cookie.key)
        return store

    def _need_memcached(self) -> Memcached:
        client = self.memcached
        assert client is not None  # the settings have been judged
        return client

    def _open_memcached(self, servers: Any) -> Memcached:
        from demijohn.memcached import Memcached

        options = self.settings.section("memcached")
        if servers != options.pop("url"):
            options.update(username=None, password=None)  # they are another server's
        return Memcached(servers, **options)


class _CurrentSession:
    """`session` in a template: the session of the request that is being answered."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def _session(self) -> RequestSession:
        return self._site.sessions.open(bottle.request.environ)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session(), name)

    def __getitem__(self, key: str) -> Any:
        return self._session()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._session()
