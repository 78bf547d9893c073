"""Where sessions are kept. A store is known by its name; Beaker's names for the same things are understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demijohn.errors import SessionOptionError
from demijohn.sessions.stores.base import Record as Record
from demijohn.sessions.stores.base import Store as Store

#: Beaker's names, and ours.
SPELLINGS = {
    "ext:memcached": "memcached",
    "demijohn.memcached": "memcached",
    "ext:database": "sql",
    "ext:sqla": "sql",
    "demijohn.sql": "sql",
}
NAMES = ("sql", "memcached", "memory")


def open_store(name: str, url: Any = None, options: Mapping[str, Any] | None = None) -> Store:
    """The store of this name, on its own: for a plain Bottle app or Beaker. A `Site` hands its parts to the stores.

    :param url: the database's URL, or the memcached servers (`host:port`, several separated by `;` or `,`, or a list).
    :param options: what else the store's maker takes, such as `prefix`.
    :raises SessionOptionError: the name is not known, or the store needs a url.
    """
    kind = SPELLINGS.get(name, name)
    options = dict(options or {})
    if kind == "memory":
        from demijohn.sessions.stores.memory import MemoryStore

        return MemoryStore()
    if kind not in NAMES:
        beakers = ", ".join(spelling for spelling in SPELLINGS if spelling.startswith("ext:"))
        raise SessionOptionError(
            f"There is no session store {name!r}. Known are {', '.join(NAMES)}, and in Beaker's spelling {beakers}. "
            "'file' and 'dbm' are not, because nothing is ever written to disk."
        )
    if not url:
        raise SessionOptionError(f"The session store {kind!r} needs session.url: where its {_WHAT[kind]}.")
    if kind == "sql":
        from demijohn.sessions.stores.sql import SqlStore

        return SqlStore.at(url, **options)
    from demijohn.sessions.stores.memcached import MemcachedStore

    return MemcachedStore.at(url, **options)


_WHAT = {"sql": "database is, such as 'sqlite:///site.sqlite'", "memcached": "servers are, such as '127.0.0.1:11211'"}
