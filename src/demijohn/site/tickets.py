"""The tickets of a site, made of its settings."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from demijohn.tickets import Tickets

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.memcached import Memcached
    from demijohn.site import Site


def make_tickets(site: Site) -> Tickets:
    """The part; what it needs of others is opened at the first error."""
    settings = site.settings
    kept = settings["tickets.store"] != "off"
    return Tickets(
        settings.root,
        engine=partial(_engine, site) if kept and settings["database.url"] else None,
        memcached=partial(_memcached, site) if kept and settings["memcached.url"] else None,
        keep=settings["tickets.keep"],
        is_outage=_is_outage,
        secrets=partial(_secrets, site),
        release=partial(release_of, site),
    )


def release_of(site: Site) -> str:
    """Which release of the site this is, as its host says, or as its bundle does; empty where neither does."""
    for variable in site.settings.host.release:
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        with open(os.path.join(site.settings.root, "bundle.json"), encoding="utf-8") as file:
            import json

            return str(json.load(file).get("release") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _engine(site: Site) -> sqlalchemy.Engine:
    from demijohn.database.apart import apart

    return apart(site.db)


def _memcached(site: Site) -> Memcached | None:
    return site.memcached


def _is_outage(error: Exception) -> bool:
    from demijohn.database.request import is_outage

    return is_outage(error)


def _secrets(site: Site) -> list[str]:
    from demijohn.secrecy import of_settings

    return of_settings(site.settings)
