"""What is asked before a site is visited, and where it is said that it had better not be."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from demijohn.health import Check, Health
from demijohn.health.maintenance import Maintenance
from demijohn.health.notice import KEY, OFF, ON

if TYPE_CHECKING:
    from demijohn.config import Config
    from demijohn.shared import Shared
    from demijohn.shared.sql import SqlShared
    from demijohn.site import Site

#: web2py's name of it.
FILE = "DISABLED"
#: Made by `demijohn maintenance` and known to no migration, so that it works on a database of any release.
TABLE = "demijohn_maintenance"
#: Seconds that the database may take to say whether there is maintenance: somebody's request waits for it.
PATIENCE = 1.0


def make_health(site: Site) -> Health:
    """Asked is what the site cannot do without, and what it is only slower without, of which no more is told."""
    checks: dict[str, Check] = {}
    settings, kind = site.settings, site.session_type
    if settings["database.url"]:
        checks["database"] = lambda: site.db.health()  # made after this part
    if settings["memcached.url"]:
        checks["memcached"] = partial(_memcached, site)
    if kind == "redis" or (kind in ("sql", "memcached") and settings["session.url"]):
        checks["sessions"] = _sessions(site)
    key = settings["health.key"]
    return Health(checks, key=None if key is None else str(key))


def _memcached(site: Site) -> tuple[bool, str]:
    silent = site.need_memcached().silent()
    needed = site.session_type == "memcached" and not site.settings["session.url"]
    return not (silent and needed), f"not answering: {', '.join(silent)}" if silent else "answers"


def _sessions(site: Site) -> Check:
    """Where they are kept apart from all else."""
    if site.session_type == "sql":

        @lru_cache(maxsize=1)
        def apart() -> Any:
            from demijohn.database import Database

            return Database(site.settings["session.url"], pool_size=1, max_overflow=0)

        return lambda: apart().health()

    def ask() -> bool:
        site.sessions.store.read("whether it answers")
        return True

    return ask


def make_maintenance(site: Site) -> Maintenance:
    settings = site.settings
    mode: Any = settings["maintenance.mode"]
    static = settings["static.url"].rstrip("/") + "/"  # served at the root, they are not told from pages
    return Maintenance(
        mode=mode if isinstance(mode, str) else (ON if mode else OFF),
        file=notice_file(settings),
        shared=_reader(site),
        secrets=[str(secret) for secret in settings["secret"]],
        spared=tuple(path for path in (static, "/favicon.", "/robots.txt") if path != "/"),
    )


def notice_file(settings: Config) -> str:
    return os.path.join(settings.root, FILE)


def in_database(site: Site) -> SqlShared | None:
    """The notice's place in the database, which loses nothing; None where there is no database."""
    if not site.settings["database.url"]:
        return None
    from demijohn.shared.sql import SqlShared

    return SqlShared(partial(site.db.soon, seconds=PATIENCE), table=TABLE)


def in_memcached(site: Site) -> Shared | None:
    """Its place in memcached, which is asked while the database is worked on; None where there is none."""
    if site.memcached is None:
        return None
    from demijohn.shared.memcached import MemcachedShared

    return MemcachedShared(site.memcached)


def _reader(site: Site) -> Callable[[], bytes | None] | None:
    """What finds out the notice that all copies share; None where they share nothing."""
    url = site.settings["database.url"]
    if not (url or site.settings["memcached.url"]):
        return None
    kind, _, place = url.partition(":///")
    file = place.partition("?")[0] if kind.startswith("sqlite") else None
    table = _Table(site)
    cache = lru_cache(maxsize=1)(partial(in_memcached, site))

    def find() -> bytes | None:
        from demijohn.shared import SharedDownError

        down = None
        # To connect to an SQLite file would make it; and SQLAlchemy is not imported for nothing.
        if url and (file is None or os.path.exists(file)):
            try:
                return table.find()
            except SharedDownError as error:
                down = error
        store = cache()
        text = None if store is None else store.get(KEY)
        if down is not None and text is None:
            raise down
        return text

    return find


class _Table:
    """The notice in the database, which may not have the table yet."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._shared: Shared | None = None

    def find(self) -> bytes | None:
        if self._shared is None:
            # Asked for what is not there, PostgreSQL would write a line into its log each time.
            try:
                if not self._site.db.has_table(TABLE, seconds=PATIENCE):
                    return None
            except Exception as error:
                from demijohn.shared import SharedDownError

                raise SharedDownError("the database", error) from error
            self._shared = in_database(self._site)
            assert self._shared is not None
        return self._shared.get(KEY)
