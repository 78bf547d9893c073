"""`Site`: a Bottle app that reads its settings and installs the parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import config
from demijohn.config import Config
from demijohn.errorpages import error_page
from demijohn.site.parts import install_parts

if TYPE_CHECKING:
    from typing import TypeVar

    from demijohn.bodies import Bodies
    from demijohn.database import Database
    from demijohn.health import Health
    from demijohn.memcached import Memcached
    from demijohn.sessions import Sessions
    from demijohn.sessions.session import Flash
    from demijohn.static import Static
    from demijohn.views import Views

    Handler = TypeVar("Handler", bound=Callable[..., Any])


class Site(bottle.Bottle):
    """A Bottle app with its parts. Handlers ask for what they want by name: `def show(id, db, session)`.

    :param root: the folder with `config.yaml`, `views/` and `static/`. None: this is `bottle.Bottle` and nothing more.
    :param settings: settings by their dotted names, such as `{"session.timeout": 600}`. They win over all others.
    :param options: as `bottle.Bottle` takes them.
    :raises ConfigError: naming everything that is wrong with the settings.
    """

    #: The settings, each with its source.
    settings: Config
    #: Request bodies within their limits.
    bodies: Bodies
    #: The database: `site.db.Model`, `site.db.session`, `with site.db.unit() as db:`.
    db: Database
    #: `/_health/live` and `/_health/ready`.
    health: Health
    #: The visitors' sessions.
    sessions: Sessions
    #: The static files.
    static: Static
    #: The templates.
    views: Views

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
        self.settings = config.load(os.fspath(root), settings)
        for name in self.settings:
            self.config[name] = self.settings[name]
        self._memcached: Memcached | None = None
        self.development: bool = self.settings["environment"] == "development"
        install_parts(self)

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
            self.__dict__["_memcached"] = self.open_memcached(self.settings["memcached.url"])
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

    def need_memcached(self) -> Memcached:
        """The pool, where the settings say that there is one."""
        client = self.memcached
        assert client is not None  # the settings have been judged
        return client

    def open_memcached(self, servers: Any) -> Memcached:
        """A pool of clients of these servers: the site's own, or others, with the site's options."""
        from demijohn.memcached import Memcached

        options = self.settings.section("memcached")
        if servers != options.pop("url"):
            options.update(username=None, password=None)  # they are another server's
        return Memcached(servers, **options)
