"""`Site`: a Bottle app that reads its settings and installs the parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import config
from demijohn.config import Config
from demijohn.health.maintenance import KEY as MAINTENANCE
from demijohn.site.parts import install_parts
from demijohn.site.safety import apps_in, make_throttle, share_safety
from demijohn.site.stores import shared_store
from demijohn.site.tables import declare_tables
from demijohn.tickets.plugin import KEY as TICKET

if TYPE_CHECKING:
    from typing import TypeVar

    from demijohn.bodies import Bodies
    from demijohn.database import Database
    from demijohn.files import Files
    from demijohn.health import Health
    from demijohn.health.maintenance import Maintenance
    from demijohn.logs.plugin import Logs
    from demijohn.memcached import Memcached
    from demijohn.security.csrf import Csrf
    from demijohn.security.headers import Headers
    from demijohn.security.limits import Limits
    from demijohn.security.login import Login
    from demijohn.security.throttle import Throttle
    from demijohn.sessions import Sessions
    from demijohn.sessions.session import Flash
    from demijohn.shared import Shared
    from demijohn.static import Static
    from demijohn.tickets import Tickets
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
    #: Forged requests; `site.csrf.token(environ)` is what a template knows as `csrf.token`.
    csrf: Csrf
    #: The database: `site.db.Model`, `site.db.session`, `with site.db.unit() as db:`.
    db: Database
    #: What visitors upload: `site.files.save(request.files.picture)`.
    files: Files
    #: The safety headers; `site.headers.nonce` is what a template knows as `nonce`.
    headers: Headers
    #: `/_health/live` and `/_health/ready`; `site.health.add("queue", check)` has one more thing asked.
    health: Health
    #: How often one may come: the route option `limit`.
    limits: Limits
    #: Where one signs in: `site.login.url(next)`.
    login: Login
    #: The log: `site.logs.request_id`.
    logs: Logs
    #: Whether the site is closed to visitors, or can only be read: `site.maintenance.notice`.
    maintenance: Maintenance
    #: The visitors' sessions.
    sessions: Sessions
    #: The static files.
    static: Static
    #: The unhandled errors; `site.tickets.record(error)` adds one by hand.
    tickets: Tickets
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

    @cached_property
    def shared(self) -> Shared:
        """What all copies of the site share for a time: in memcached, else in the database, else in each process."""
        return shared_store(self)

    @cached_property
    def throttle(self) -> Throttle:
        """How often one may try to sign in: `attempt = site.throttle.attempt(name)`, then `attempt.succeeded()`."""
        return make_throttle(self)

    def create_tables(self) -> list[str]:
        """Make the tables that are missing: the models', and the parts' own. Returns their names."""
        declare_tables(self)
        return self.db.create_all() if self.settings["database.url"] else []

    @property
    def read_only(self) -> bool:
        """Whether the site can only be read for now, by `demijohn maintenance on --read-only`. A template knows it as
        `read_only`, to hide its forms."""
        return self._cased and self.maintenance.notice.mode == "read-only"

    @property
    def session_type(self) -> str:
        """The name of the store that sessions are kept in."""
        kind: str = self.settings["session.type"]
        return kind

    # Handlers of a mounted or merged Bottle app can name `db` and `session`, too, and are held to the same.

    def mount(self, prefix: str, app: Any, **options: Any) -> None:
        csrf = options.pop("csrf", True) if self._cased else False
        self._share_parts(app, csrf)
        if csrf and not isinstance(app, bottle.Bottle) and self.settings["security.csrf"]:
            options.setdefault("mountpoint", {"prefix": prefix, "target": app})
            app = self.csrf.guard(app)
        super().mount(prefix, app, **options)

    mount.__doc__ = bottle.Bottle.mount.__doc__

    def merge(self, routes: Any) -> None:
        for app in [routes] if isinstance(routes, bottle.Bottle) else {route.app for route in routes}:
            self._share_parts(app)
        super().merge(routes)

    def default_error_handler(self, res: Any) -> Any:
        if not self._cased:
            return super().default_error_handler(res)
        from demijohn.errorpages import error_page

        return error_page(
            res,
            self._own_error_page,
            ticket=bottle.request.environ.get(TICKET),
            explain=self.tickets.explain if self.development else None,
            record=self.tickets.record,
        )

    def _own_error_page(self, **variables: Any) -> str | None:
        closed = MAINTENANCE in bottle.request.environ and self.views.find("maintenance")
        template = closed or self.views.find("error")
        return None if template is None else template.render(variables)

    def _share_parts(self, app: Any, csrf: bool = True) -> None:
        if not self._cased:
            return
        for one in apps_in(app):
            share_safety(self, one, csrf)
            for part in (self.headers, self.db, self.sessions):
                if part not in one.plugins:
                    one.install(part)

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
