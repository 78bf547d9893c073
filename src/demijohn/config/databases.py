"""The site's database and its copies: what their addresses are, and how they are spoken to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

from demijohn.config import urls
from demijohn.config.draft import Draft
from demijohn.config.secret import Url
from demijohn.config.settings import by_itself
from demijohn.errors import Problem

_REPLICAS = "database.replicas"
_SSLMODES = {
    "disable": "off",
    "allow": "auto",
    "prefer": "auto",
    "require": "require",
    "verify-ca": "verify",
    "verify-full": "verify",
}


def read_addresses(draft: Draft) -> None:
    """Make whole what is short: a path within the site's folder, and a replica that is a host's name alone, whose user,
    password, port and name are the database's own."""
    url = draft.values["database.url"]
    draft.values["database.url"] = Url(urls.rooted(url, draft.root))
    is_server = bool(re.match(r"[\w+]+://[^?]*@", url))
    if not is_server:  # a variable of the host's may stand there for a database that this site does not have
        draft.take_back(_REPLICAS, lambda source: "(host " in source)
    replicas = []
    for replica in draft.values[_REPLICAS]:
        if "://" in replica:
            replicas.append(Url(urls.rooted(replica, draft.root)))
        elif is_server:
            replicas.append(Url(_elsewhere(url, replica)))
        else:
            message = f"{_REPLICAS} has the host {replica}, but database.url has none to put it in the place of"
            draft.problems.append(Problem(_REPLICAS, draft.sources[_REPLICAS], message))
    draft.values[_REPLICAS] = tuple(replicas)
    if draft.values["database.tls_ca"] is not None:
        draft.values["database.tls_ca"] = os.path.join(draft.root, draft.values["database.tls_ca"])


def _elsewhere(url: str, host: str) -> str:
    """`url` with another host, and with its own port where `host` has none."""
    match = re.match(r"([\w+]+://[^?]*@)(\[[^\]]*\]|[^/?:]*)(:\d*)?(.*)", url, re.DOTALL)
    assert match is not None
    port = "" if re.search(r":\d+$", host) else match[3] or ""
    return f"{match[1]}{host}{port}{match[4]}"


def other_kind(draft: Draft) -> Iterator[str]:
    """Replicas of nothing, or of a database of another kind."""
    replicas, kind = draft.values[_REPLICAS], _kind(draft.values["database.url"])
    if replicas and not kind:
        yield f"{_REPLICAS} are set, but database.url is empty: they are copies of none"
        return
    for other in sorted({_kind(replica) for replica in replicas} - {kind}):
        yield f"{_REPLICAS} has a database of {other}, and database.url is one of {kind}; a replica is a copy of it"


def _kind(url: str) -> str:
    kind = url.partition(":")[0].partition("+")[0]
    return "mysql" if kind == "mariadb" else kind


def authorities(draft: Draft) -> Iterator[str]:
    """A file of authorities that nobody asks, or that is none."""
    path, tls = draft.values["database.tls_ca"], draft.values["database.tls"]
    if path is None:
        return
    if tls != "verify":
        yield f"database.tls_ca is set, but database.tls is {tls}, which checks no certificate; set it to verify"
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # an SSLError is one
        yield f"database.tls_ca is not a file of certificates (PEM): {path}: {error.strerror or error}"


def two_words(draft: Draft) -> Iterator[str]:
    """TLS by the setting and, otherwise, by the URL. A host's default and `auto` give way without a word."""
    tls, source = draft.values["database.tls"], draft.sources["database.tls"]
    url = draft.values["database.url"]
    if by_itself(source) or source.startswith("host ") or _kind(url) in ("", "sqlite"):
        return
    said, words = _said(url)
    if said is not None and said != tls:
        yield (
            f"database.tls is {tls}, and database.url says {words}, which is {said} and the stronger of the two; leave "
            "one of them out"
        )


def _said(url: str) -> tuple[str | None, str]:
    """What a URL says of TLS, in our words, and in its own."""
    words = {name: value.lower() for name, value in parse_qsl(url.partition("?")[2]) if name.startswith("ssl")}
    if "sslmode" in words:
        return _SSLMODES.get(words["sslmode"]), f"sslmode={words['sslmode']}"
    found = None
    if words.get("ssl_disabled") in ("true", "1", "yes", "on"):
        found = "off"
    elif _kind(url) == "mysql" and words.keys() - {"ssl_disabled"}:
        checks = words.keys() & {"ssl_ca", "ssl_capath"} or words.get("ssl_verify_cert") == "true"
        found = "verify" if checks or words.get("ssl_verify_identity") == "true" else "require"
    return found, " and ".join(sorted(words))


def other_driver(draft: Draft) -> Iterator[str]:
    """A driver that has words of its own for TLS."""
    scheme = draft.values["database.url"].partition(":")[0]
    driver = scheme.partition("+")[2]
    if driver and draft.values["database.tls"] != "auto" and _kind(scheme) != "sqlite":
        known = {"mysql": ("pymysql",), "postgresql": ("psycopg", "psycopg2")}.get(_kind(scheme), ())
        if driver not in known:
            yield f"database.tls is for PyMySQL and psycopg; {driver} has words of its own, for database.url"


#: As in rules.py.
CONTRADICTIONS = (
    ((_REPLICAS, "database.url"), other_kind),
    (("database.tls_ca", "database.tls"), authorities),
    (("database.tls", "database.url"), two_words),
    (("database.tls", "database.url"), other_driver),
)
