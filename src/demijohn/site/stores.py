"""Where a site keeps its sessions, as its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demijohn.sessions.stores.base import Store
    from demijohn.site import Site


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
