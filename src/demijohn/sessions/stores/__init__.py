"""Where sessions are kept. A store is known by its name; Beaker's names for the same things are understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demijohn.errors import SessionOptionError

NAMES = ("cached-sql", "sql", "memcached", "redis", "cookie", "memory")
#: Those that find all the sessions of a user.
LISTING = ("cached-sql", "sql", "redis")
#: Beaker's names, and ours as Beaker knows them.
SPELLINGS = {
    "ext:memcached": "memcached",
    "ext:database": "sql",
    "ext:sqla": "sql",
    "ext:redis": "redis",
    **{f"demijohn.{name}": name for name in NAMES},
}


def known(name: str) -> str:
    """The store's own name for any spelling of it.

    :raises SessionOptionError: there is no such store.
    """
    kind = SPELLINGS.get(name, name)
    if kind not in NAMES:
        beakers = ", ".join(spelling for spelling in SPELLINGS if spelling.startswith("ext:"))
        raise SessionOptionError(
            f"There is no session store {name!r}. Known are {', '.join(NAMES)}, and in Beaker's spelling {beakers}. "
            "'file' and 'dbm' are not, because nothing is ever written to disk."
        )
    return kind


def judge(kind: str, url: Any, secrets: Sequence[str], memcached_url: Any) -> None:
    """:raises SessionOptionError: the store of this kind needs what has not been given."""
    if kind == "cookie" and not secrets:
        raise SessionOptionError("The session store 'cookie' needs session.secret, to encrypt the cookie with.")
    if kind in _WHAT and not url:
        raise SessionOptionError(f"The session store {kind!r} needs session.url: where its {_WHAT[kind]}.")
    if kind == "cached-sql" and not memcached_url:
        raise SessionOptionError(
            "The session store 'cached-sql' needs session.memcached_url: where its servers are, such as "
            "'127.0.0.1:11211'."
        )


def open_store(
    name: str,
    url: Any = None,
    options: Mapping[str, Any] | None = None,
    *,
    secrets: Sequence[str] = (),
    cookie_name: str = "session",
    memcached_url: Any = None,
) -> Any:
    """The store of this name, on its own: for a plain Bottle app or Beaker. A `Site` hands its parts to the stores.

    :param url: the database's URL, Redis's URL, or the memcached servers (`host:port`, several separated by `;` or `,`,
        or a list).
    :param options: what else the store's maker takes, such as `prefix`.
    :param secrets: what a cookie store seals with, the newest first.
    :param memcached_url: the memcached servers of `cached-sql`.
    :raises SessionOptionError: the name is not known, or the store needs what has not been given.
    """
    kind = known(name)
    judge(kind, url, secrets, memcached_url)
    options = dict(options or {})
    if kind == "memory":
        from demijohn.sessions.stores.memory import MemoryStore

        return MemoryStore()
    if kind == "cookie":
        from demijohn.sessions.stores.cookie import CookieStore

        return CookieStore(secrets, cookie_name)
    if kind == "redis":
        from demijohn.sessions.stores.redis import RedisStore

        return RedisStore.at(url, **options)
    if kind == "memcached":
        from demijohn.sessions.stores.memcached import MemcachedStore

        return MemcachedStore.at(url, **options)
    if kind == "cached-sql":
        from demijohn.sessions.stores.cached import CachedSqlStore

        return CachedSqlStore.at(url, memcached_url, **options)
    from demijohn.sessions.stores.sql import SqlStore

    return SqlStore.at(url, **options)


def create_table(url: str) -> None:
    """Make the table that `sql` and `cached-sql` keep sessions in, if it is missing. For sites without a `Site`: when
    they are put up, and not in a request.

    :param url: the database's URL.
    """
    from demijohn.sessions.stores.sql import SqlStore

    store = SqlStore.at(url)
    store.create_table()
    store.close()


_WHAT = {
    "sql": "database is, such as 'sqlite:///site.sqlite'",
    "cached-sql": "database is, such as 'sqlite:///site.sqlite'",
    "redis": "server is, such as 'redis://127.0.0.1:6379/0'",
    "memcached": "servers are, such as '127.0.0.1:11211'",
}
