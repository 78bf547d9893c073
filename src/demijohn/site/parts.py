"""Which parts a site has, made of its settings, in the order in which a request meets them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import bottle

from demijohn.bodies import Bodies
from demijohn.config.prepared import FOLDER as BUNDLED
from demijohn.config.settings import by_itself
from demijohn.database import Database
from demijohn.files import Files
from demijohn.security.csrf import Field
from demijohn.sessions import RequestSession, Sessions
from demijohn.site.health import make_health, make_maintenance
from demijohn.site.logs import make_logs
from demijohn.site.outside import make_headers, make_hosts, make_https, make_proxies
from demijohn.site.safety import install_safety
from demijohn.site.stores import file_store, kept_files, session_store
from demijohn.site.tables import declare_files
from demijohn.site.tickets import make_tickets
from demijohn.static import Static
from demijohn.views import Views

if TYPE_CHECKING:
    from demijohn.site import Site


def install_parts(site: Site) -> None:
    """Make the parts, install those that are plugins, and keep each under its name."""
    site.logs = site.install(make_logs(site))
    site.health = site.install(make_health(site))  # before the proxies: it must see who really asks
    site.install(make_proxies(site.settings))
    site.headers = site.install(make_headers(site.settings))
    site.install(make_hosts(site.settings))
    if https := make_https(site.settings):
        site.install(https)
    site.maintenance = site.install(make_maintenance(site))
    site.health.expected = lambda: site.maintenance.look().mode == "on"
    site.bodies = site.install(_bodies(site))
    site.tickets = site.install(make_tickets(site))
    install_safety(site)
    site.db = site.install(_database(site))
    site.sessions = site.install(Sessions(_session_options(site), store=partial(session_store, site)))
    site.files = site.install(_files(site))
    site.static = site.install(
        Static(
            _path(site, "static.path"),
            site.settings["static.url"],
            development=site.development,
            table=_bundled(site, "static.json"),
            hash=site.settings["static.hash"],
            kept=kept_files(site),
        )
    )
    site.views = site.install(
        Views(
            _path(site, "views.path"),
            development=site.development,
            reach=_within_reach(site),
            compiled=_bundled(site, "views"),
            timed=site.logs.timed if site.logs.server_timing else None,
        )
    )
    site.logs.come_last(site)


def _bodies(site: Site) -> Bodies:
    options = site.settings.section("body")
    return Bodies(**{**options, "part": None if options["part"] == "auto" else options["part"]})


def _files(site: Site) -> Files:
    return Files(
        partial(file_store, site),
        url=site.settings["files.url"],
        limit=site.settings["files.limit"],
        declare=partial(declare_files, site),
        # Chosen by nobody, its tables are made where a model has a column for it.
        in_use=not by_itself(site.settings.source("files.store")),
    )


def _database(site: Site) -> Database:
    options = site.settings.section("database")
    return Database(
        options.pop("url"),
        watch=site.development,
        hide_parameters=not site.development,
        tell=site.logs.query if site.logs.wants_queries else None,
        migrations=os.path.join(site.settings.root, "migrations"),
        workers=site.settings["server.workers"],
        **options,
    )


def _session_options(site: Site) -> dict[str, Any]:
    options = site.settings.section("session")
    secure = options.pop("secure")
    return {**options, "secure": None if secure == "auto" else secure}


def _within_reach(site: Site) -> dict[str, Any]:
    """What every template can name."""
    return {
        "session": _CurrentSession(site),
        "messages": site.messages,
        "static_url": site.static_url,
        "static_integrity": site.static.integrity,
        "files_url": site.files.url_of,
        "csrf": Field(site.csrf),
        "nonce": site.headers.nonce,
        "settings": site.settings,
        "read_only": _ReadOnly(site),
    }


def _path(site: Site, name: str) -> str:
    return os.path.join(site.settings.root, site.settings[name])


def _bundled(site: Site, name: str) -> str:
    return os.path.join(site.settings.root, BUNDLED, name)


class _ReadOnly:
    """`read_only` in a template: whether the site can only be read for now."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __bool__(self) -> bool:
        return self._site.read_only


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
