"""Where a site keeps things, as its settings say: sessions, what its copies share, uploads, older static files."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demijohn.files.stores.base import Store as FileStore
    from demijohn.sessions.stores.base import Store
    from demijohn.shared import Shared
    from demijohn.site import Site
    from demijohn.static.kept import Kept

log = logging.getLogger("demijohn.shared")
files_log = logging.getLogger("demijohn.files")


def session_store(site: Site) -> Store:
    """The store of this site's sessions. Called at the first session."""
    kind, url = site.session_type, site.settings["session.url"]
    if kind == "memcached":
        from demijohn.sessions.stores.memcached import MemcachedStore

        return MemcachedStore(site.open_memcached(url) if url else site.need_memcached())
    if kind in ("sql", "cached-sql"):
        from demijohn.sessions.stores.sql import SqlStore

        sql = SqlStore.at(url) if url else SqlStore(site.db.alone, site.db.metadata)
        if kind == "sql":
            return sql
        from demijohn.sessions.stores.cached import CachedSqlStore

        return CachedSqlStore(sql, site.need_memcached())
    if kind == "redis":
        from demijohn.sessions.stores.redis import RedisStore

        redis = site.settings.section("redis")
        address = redis.pop("url")
        return RedisStore.at(url or address, **redis)
    from demijohn.sessions.stores import open_store

    options = site.sessions.options
    store: Store = open_store(kind, url, secrets=options.secrets, cookie_name=options.cookie.key)
    return store


def shared_store(site: Site) -> Shared:
    """Where the copies of this site keep what they share. Called at the first use."""
    if site.memcached is not None:
        from demijohn.shared.memcached import MemcachedShared

        return MemcachedShared(site.memcached)
    if site.db.url:
        from demijohn.shared.sql import SqlShared

        return SqlShared(site.db.alone, site.db.metadata, site.db.redo)
    from demijohn.shared.memory import MemoryShared

    log.warning(
        "The site has neither memcached nor a database, so each process counts for itself what its copies should share."
    )
    return MemoryShared()


def file_store(site: Site) -> FileStore:
    """Where this site keeps its files. Called at the first file."""
    settings = site.settings.section("files")
    kind = settings["store"]
    if kind == "database":
        from demijohn.files.stores.database import DatabaseStore

        return DatabaseStore(site.db.alone, site.db.joins, site.db.metadata)
    if kind == "disk":
        from demijohn.files.stores.disk import DiskStore

        return DiskStore(os.path.join(site.settings.root, settings["path"]))
    if kind == "memory":
        from demijohn.files.stores.memory import MemoryStore

        files_log.warning("The files are kept in the memory of each process, and are gone with it. See files.store.")
        return MemoryStore()
    from demijohn.files.stores.objects import ObjectStore

    names = ("bucket", "prefix", "endpoint", "region", "key_id", "key")
    return ObjectStore(kind, **{name: settings[name] for name in names})


def kept_files(site: Site) -> Kept | None:
    """The static files of the releases before this one, where any are kept."""
    releases = site.settings["static.keep"]
    if not releases or not site.db.url:
        return None
    from demijohn.static.kept import Kept

    return Kept(site.db, releases)
