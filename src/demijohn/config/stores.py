"""Which store the sessions are kept in, what its address is, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator

from demijohn.config import kinds, urls
from demijohn.config.draft import Draft
from demijohn.config.secret import Url
from demijohn.config.settings import CHOSEN
from demijohn.errors import Problem

#: What `session.url` is, store by store. The others have no address.
_ADDRESSES = {
    "cached-sql": kinds.DATABASE_URL,
    "sql": kinds.DATABASE_URL,
    "memcached": kinds.BARE_SERVERS,
    "redis": kinds.REDIS_URL,
}
#: The packages that not every site has, each with the extra of ours that brings it.
_PACKAGES = {"cookie": ("cryptography", "demijohn[cookie]"), "redis": ("redis", "demijohn[redis]")}


def choose(draft: Draft) -> None:
    """The best store that the site has servers for, in place of `auto`. memcached alone is none: it forgets."""
    if draft.values["session.type"] != "auto":
        return
    database, memcached, redis = (draft.values[name] for name in ("database.url", "memcached.url", "redis.url"))
    if database and memcached:
        store, why = "cached-sql", "a database and memcached are set"
    elif database:
        store, why = "sql", "a database is set, and no memcached"
    elif redis:
        store, why = "redis", "Redis is set, and no database"
    else:
        store, why = "cookie", "neither a database nor Redis is set"
    draft.put("session.type", store, f"{CHOSEN}: {why}")


def read_address(draft: Draft) -> None:
    """Beaker's `session.url` is one of memcached servers, of a database or of Redis, as the type says."""
    url, kind = draft.values["session.url"], _ADDRESSES.get(draft.values["session.type"])
    if url is None or kind is None or draft.is_default("session.type"):
        return
    value: object = None
    try:
        value = kind.read(str(url))
    except ValueError as error:
        draft.wrong.add("session.url")
        message = f"session.url must be {kind.says}" + (f": {error}" if str(error) else "")
        draft.problems.append(Problem("session.url", draft.sources["session.url"], message))
    draft.values["session.url"] = Url(urls.rooted(value, draft.root)) if isinstance(value, str) else value


def lacks(draft: Draft) -> Iterator[str]:
    """What the store needs and the settings do not give."""
    store, address, servers = (draft.values[name] for name in ("session.type", "session.url", "memcached.url"))
    if store == "memcached" and not (address or servers):
        yield "session.type is memcached, but there is no server; set MEMCACHED_URL or memcached.url"
    if store == "cached-sql" and not servers:
        yield (
            "session.type is cached-sql, but there is no memcached server; set MEMCACHED_URL or memcached.url, or "
            "session.type to sql"
        )
    if store in ("sql", "cached-sql") and not (address or draft.values["database.url"]):
        yield f"session.type is {store}, but database.url is empty"
    if store == "redis" and not (address or draft.values["redis.url"]):
        yield "session.type is redis, but there is no server; set REDIS_URL or redis.url"
    if store == "memory" and draft.production and draft.values["server.workers"] > 1:
        yield "session.type is memory, but server.workers is more than 1, and each worker has a memory of its own"


def address_of_none(draft: Draft) -> Iterator[str]:
    """A `session.url` that the store has no use for, or that does not say whose it is."""
    store = draft.values["session.type"]
    if draft.values["session.url"] is None:
        return
    known = "cached-sql, sql, memcached or redis"
    if draft.is_default("session.type"):
        yield f"session.url is the address of one store, but session.type does not say of which; set it to {known}"
    elif store not in _ADDRESSES:
        yield f"session.url is the address of a store such as {known}, but session.type is {store}, which has none"
    elif store == "memcached" and draft.values["memcached.username"] and not draft.values["memcached.url"]:
        yield (
            "session.url has no user and no password: memcached.username and memcached.password are for the servers of "
            "memcached.url; put the address there"
        )


def missing_package(draft: Draft) -> Iterator[str]:
    """A store that somebody has asked for by name. One that was chosen may never be used, and is judged when it is."""
    store = draft.values["session.type"]
    if store not in _PACKAGES or draft.is_default("session.type"):
        return
    from importlib.util import find_spec

    package, extra = _PACKAGES[store]
    if find_spec(package) is None:
        yield f"session.type is {store}, which needs the package {package}: pip install '{extra}'"


#: As in rules.py.
CONTRADICTIONS = (
    (("session.type", "session.url", "memcached.url", "database.url", "redis.url", "server.workers"), lacks),
    (("session.url", "session.type", "memcached.url", "memcached.username"), address_of_none),
    (("session.type",), missing_package),
)
