"""What follows from several settings together: values that depend on others, and contradictions, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from demijohn.config import addresses, databases, files, pool, stores
from demijohn.config.draft import Draft, Given
from demijohn.config.options import OPTIONS
from demijohn.config.secret import Secret
from demijohn.config.settings import CHOSEN, DEFAULT
from demijohn.errors import Problem

#: Characters. A token of 12 random bytes has 16.
SHORTEST_SECRET = 16
#: What this machine is called on itself.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
DEVELOPMENT_SECRET = Secret("development-only-it-protects-nothing")
MAKE_ONE = 'make one with `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`'
_CREDENTIALS = ("memcached.username", "memcached.password")
_OF_ADDONS = frozenset(variable for name in _CREDENTIALS for variable in OPTIONS[name].env)


def settle(draft: Draft, name: Given | None) -> None:
    """Fill in what depends on other settings, then look for contradictions.

    :param name: the site's name in config.yaml.
    """
    _prefix(draft, name)
    _credentials(draft)
    stores.choose(draft)
    files.choose(draft)
    stores.read_address(draft)
    if not draft.production and not draft.values["secret"]:
        draft.put("secret", (DEVELOPMENT_SECRET,), f"{DEFAULT} (development only)")
    if not draft.values["session.secret"]:
        draft.put("session.secret", draft.values["secret"], draft.sources["secret"])
    _https(draft)
    databases.read_addresses(draft)
    pool.choose(draft)
    for names, contradiction in _CONTRADICTIONS:
        if draft.wrong.isdisjoint(names):
            source = next((draft.sources[n] for n in names if not draft.is_default(n)), DEFAULT)
            draft.problems += [Problem(names[0], source, message) for message in contradiction(draft)]


def _https(draft: Draft) -> None:
    if draft.values["security.https"] == "auto":
        on = draft.production and draft.host.https and not draft.rehearsal and draft.values["proxies.hops"] != 0
        why = f"{draft.host.title} has it" if on else "nobody here is known to have it"
        draft.put("security.https", on, f"{CHOSEN}: {why}")
    if draft.rehearsal and draft.values["security.hosts"]:
        # Whoever rehearses visits this machine.
        names = (*draft.values["security.hosts"], *LOOPBACK)
        draft.put("security.hosts", names, draft.sources["security.hosts"])


def _prefix(draft: Draft, name: Given | None) -> None:
    prefix = "" if name is None else re.sub(r"[^A-Za-z0-9_.-]+", "-", str(name.value))[:64].strip("-")
    for key in ("memcached.prefix", "redis.prefix", "files.prefix"):
        if name is not None and prefix and draft.is_default(key):
            draft.put(key, prefix, name.source)


def _credentials(draft: Draft) -> None:
    """The user and the password of the memcached servers: of their own, or from their address.

    Those that an add-on has put into variables are for the servers of that add-on: with MEMCACHED_URL,
    MEMCACHIER_PASSWORD would be sent to somebody else.
    """
    source = draft.sources["memcached.url"]
    for name in _CREDENTIALS:
        draft.take_back(name, lambda other: other in _OF_ADDONS and _addon(other) != _addon(source))
    found = [addresses.split(server) for server in draft.values["memcached.url"]]
    draft.values["memcached.url"] = tuple(address for _, _, address in found)
    pairs = [(user, password) for user, password, _ in found if user or password]
    if len(set(pairs)) > 1:
        message = "memcached.url has servers of several users; all have one user and one password"
        draft.problems.append(Problem("memcached.url", source, message))
    for name, value in zip(_CREDENTIALS, pairs[0] if pairs else (), strict=False):
        if value and draft.is_default(name):
            draft.put(name, value, source)


def _addon(variable: str) -> str:
    return variable.rpartition("_")[0]


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
    if draft.production and disk and not draft.rehearsal and draft.values["database.url"].startswith("sqlite"):
        yield (
            f"database.url is an SQLite file, and {draft.host.title} {disk}; set DATABASE_URL to a database server, or "
            "database.url to an empty text if the site has no database"
        )


def _half_of_a_user(draft: Draft) -> Iterator[str]:
    for name, other in (_CREDENTIALS, _CREDENTIALS[::-1]):
        if draft.values[name] and not draft.values[other]:
            yield f"{name} is set, but {other} is not; a server that asks for one asks for both"


def _cookie(draft: Draft) -> Iterator[str]:
    if draft.values["session.samesite"] == "None" and draft.values["session.secure"] is False:
        yield "session.samesite None needs session.secure; browsers throw such a cookie away"


def _kept_nowhere(draft: Draft) -> Iterator[str]:
    if draft.values["static.keep"] and not draft.values["database.url"]:
        yield "static.keep is set, but the site has no database to keep static files in"


#: Each with the settings that it is about; the problem is shown at the first that somebody has set.
_CONTRADICTIONS: tuple[tuple[tuple[str, ...], Callable[[Draft], Iterator[str]]], ...] = (
    (("secret", "environment"), _secrets),
    (("secret", "environment"), _long_enough("secret")),
    (("session.secret", "environment"), _long_enough("session.secret")),
    (("database.url", "environment"), _forgetful_sqlite),
    *databases.CONTRADICTIONS,
    *pool.CONTRADICTIONS,
    (("memcached.username", "memcached.password", "memcached.url"), _half_of_a_user),
    *stores.CONTRADICTIONS,
    *files.CONTRADICTIONS,
    (("session.samesite", "session.secure"), _cookie),
    (("static.keep", "database.url"), _kept_nowhere),
)
