"""Which parts a site has, made of its settings, in the order in which a request meets them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import bottle

from demijohn.bodies import Bodies
from demijohn.config.prepared import FOLDER as BUNDLED
from demijohn.database import Database
from demijohn.health import Health
from demijohn.sessions import RequestSession, Sessions
from demijohn.site.stores import session_store
from demijohn.static import Static
from demijohn.views import Views

if TYPE_CHECKING:
    from demijohn.site import Site


def install_parts(site: Site) -> None:
    """Make the parts, install those that are plugins, and keep each under its name."""
    site.bodies = site.install(Bodies(limit=site.settings["body.limit"]))
    site.db = site.install(_database(site))
    site.health = site.install(Health({"database": site.db.health} if site.db.url else {}))
    site.sessions = site.install(Sessions(_session_options(site), store=partial(session_store, site)))
    site.static = site.install(
        Static(
            _path(site, "static.path"),
            site.settings["static.url"],
            development=site.development,
            table=_bundled(site, "static.json"),
        )
    )
    site.views = site.install(
        Views(
            _path(site, "views.path"),
            development=site.development,
            reach=_within_reach(site),
            compiled=_bundled(site, "views"),
        )
    )


def _database(site: Site) -> Database:
    options = site.settings.section("database")
    return Database(
        options.pop("url"),
        watch=site.development,
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
        "settings": site.settings,
    }


def _path(site: Site, name: str) -> str:
    return os.path.join(site.settings.root, site.settings[name])


def _bundled(site: Site, name: str) -> str:
    return os.path.join(site.settings.root, BUNDLED, name)


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
