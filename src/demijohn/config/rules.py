"""What follows from several settings together: values that depend on others, and contradictions, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from demijohn.config import kinds, urls
from demijohn.config.draft import Draft, Given
from demijohn.config.secret import Secret, Url
from demijohn.config.settings import DEFAULT
from demijohn.errors import Problem

#: Characters. A token of 12 random bytes has 16.
SHORTEST_SECRET = 16
DEVELOPMENT_SECRET = Secret("development-only-it-protects-nothing")
MAKE_ONE = 'make one with `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`'


def settle(draft: Draft, name: Given | None) -> None:
    """Fill in what depends on other settings, then look for contradictions.

    :param name: the site's name in config.yaml.
    """
    _prefix(draft, name)
    _session_url(draft)
    if not draft.production and not draft.values["secret"]:
        draft.put("secret", (DEVELOPMENT_SECRET,), f"{DEFAULT} (development only)")
    if not draft.values["session.secret"]:
        draft.put("session.secret", draft.values["secret"], draft.sources["secret"])
    draft.values["database.url"] = Url(urls.rooted(draft.values["database.url"], draft.root))
    for names, contradiction in _CONTRADICTIONS:
        if draft.wrong.isdisjoint(names):
            source = next((draft.sources[n] for n in names if not draft.is_default(n)), DEFAULT)
            draft.problems += [Problem(names[0], source, message) for message in contradiction(draft)]


def _prefix(draft: Draft, name: Given | None) -> None:
    if name is not None and draft.is_default("memcached.prefix"):
        prefix = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(name.value))[:64].strip("-")
        if prefix:
            draft.put("memcached.prefix", prefix, name.source)


def _session_url(draft: Draft) -> None:
    """Beaker's address is one of memcached servers or of a database, as the type says."""
    url, source = draft.values["session.url"], draft.sources["session.url"]
    kind = {"memcached": kinds.SERVERS, "sql": kinds.DATABASE_URL}.get(draft.values["session.type"])
    if url is None or kind is None:
        return
    try:
        value = kind.read(str(url))
    except ValueError:
        draft.wrong.add("session.url")
        draft.problems.append(Problem("session.url", source, f"session.url must be {kind.says}"))
        value = None
    draft.values["session.url"] = Url(urls.rooted(value, draft.root)) if isinstance(value, str) else value


def _secrets(draft: Draft) -> Iterator[str]:
    if draft.production and not draft.values["secret"]:
        yield (
            f"secret is not set, and outside development cookies must be signed; {MAKE_ONE} "
            "and put it into the variable SECRET_KEY"
        )


def _long_enough(name: str) -> Callable[[Draft], Iterator[str]]:
    def contradiction(draft: Draft) -> Iterator[str]:
        if name != "secret" and draft.values[name] is draft.values["secret"]:
            return
        if draft.production and any(len(secret) < SHORTEST_SECRET for secret in draft.values[name]):
            yield f"{name} is too short: outside development each has at least {SHORTEST_SECRET} characters; {MAKE_ONE}"

    return contradiction


def _forgetful_sqlite(draft: Draft) -> Iterator[str]:
    disk = {"forgets": "forgets what is written to its disk", "none": "has no disk to write to"}.get(draft.host.disk)
    if draft.production and disk and draft.values["database.url"].startswith("sqlite"):
        yield (
            f"database.url is an SQLite file, and {draft.host.title} {disk}; set DATABASE_URL to a database server, or "
            "database.url to an empty text if the site has no database"
        )


def _session_store(draft: Draft) -> Iterator[str]:
    store = draft.values["session.type"]
    address = draft.values["session.url"]
    if store == "memcached" and not (address or draft.values["memcached.url"]):
        yield "session.type is memcached, but there is no server; set MEMCACHED_URL or memcached.url"
    if store == "sql" and not (address or draft.values["database.url"]):
        yield "session.type is sql, but database.url is empty"
    if store == "memory" and draft.production and draft.values["server.workers"] > 1:
        yield "session.type is memory, but server.workers is more than 1, and each worker has a memory of its own"


def _session_address(draft: Draft) -> Iterator[str]:
    store = draft.values["session.type"]
    if draft.values["session.url"] is not None and store not in ("memcached", "sql"):
        yield f"session.url is the address of memcached or a database, but session.type is {store}"


def _cookie(draft: Draft) -> Iterator[str]:
    if draft.values["session.samesite"] == "None" and draft.values["session.secure"] is False:
        yield "session.samesite None needs session.secure; browsers throw such a cookie away"


#: Each with the settings that it is about; the problem is shown at the first that somebody has set.
_CONTRADICTIONS: tuple[tuple[tuple[str, ...], Callable[[Draft], Iterator[str]]], ...] = (
    (("secret", "environment"), _secrets),
    (("secret", "environment"), _long_enough("secret")),
    (("session.secret", "environment"), _long_enough("session.secret")),
    (("database.url", "environment"), _forgetful_sqlite),
    (("session.type", "session.url", "memcached.url", "database.url", "server.workers"), _session_store),
    (("session.url", "session.type"), _session_address),
    (("session.samesite", "session.secure"), _cookie),
)
