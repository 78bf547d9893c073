"""Database URLs as hosts hand them out, mended into those that SQLAlchemy takes. Nothing here imports SQLAlchemy."""

from __future__ import annotations

import re
from pathlib import Path

#: SQLAlchemy has no `postgres`, and its own choice of a driver for the others changes with its versions.
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
#: libpq's `sslmode`, which MySQL's providers use too (also as `ssl-mode`), in the words of PyMySQL. None: its default,
#: which encrypts where the server can.
_TLS_OF_PYMYSQL = {
    "disable": "ssl_disabled=true",
    "disabled": "ssl_disabled=true",
    "allow": None,
    "prefer": None,
    "preferred": None,
    "require": "ssl_check_hostname=false",  # encrypted or nothing; whose certificate it is, is not checked
    "required": "ssl_check_hostname=false",
    "verify-ca": "ssl_verify_cert=true",
    "verify_ca": "ssl_verify_cert=true",
    "verify-full": "ssl_verify_identity=true",
    "verify_identity": "ssl_verify_identity=true",
}
_URL = (
    r"(?s)(?P<scheme>[A-Za-z][\w+]*)://(?:(?P<user>[^/?#]*)@)?(?P<host>\[[^\]/?#]*\]|[^:/?#\[\]]*)(?::(?P<port>\d*))?"
    r"(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
#: What to say of a password that cannot be told from what stands around it.
UNQUOTED = "one of @ / ? # : in a password must be written as %40 %2F %3F %23 %3A"


def mend(url: str) -> str:
    """`url` with its driver named, with utf8mb4 for MySQL, and without what the driver does not know.

    :raises ValueError: it is not a database URL. The message does not hold any of it.
    """
    match = re.fullmatch(_URL, url)  # not compiled at boot: most sites on SQLite need none of it
    if match is None:
        raise ValueError(UNQUOTED if "@" in url else "")
    if "@" in (match["user"] or "") or (match["host"] and match["user"] is None and "@" in (match["path"] or "")):
        raise ValueError(UNQUOTED)
    scheme = match["scheme"].lower()
    start = DRIVERS.get(scheme, scheme) + url[len(scheme) :].partition("?")[0]
    query = [item for item in (match["query"] or "").split("&") if item]
    if match["host"][:3].lower() == "%2f" and scheme.startswith("postgres"):  # libpq's way to write a socket's folder
        start = start.replace(match["host"], "", 1)
        query.append(f"host={match['host']}")
    if scheme.partition("+")[0] in ("mysql", "mariadb"):
        query = _mysql_query(query, start.startswith(("mysql+pymysql", "mariadb+pymysql")))
    return "?".join([start, "&".join(query)] if query else [start])


def _mysql_query(query: list[str], pymysql: bool) -> list[str]:
    names = {item.partition("=")[0] for item in query}
    if pymysql:
        # `reconnect=true` is what MySQL add-ons hand out for another driver; PyMySQL would raise TypeError.
        query = [item for item in query if not item.startswith("reconnect=")]
        query = [mended for item in query if (mended := _tls(item, "ssl_ca" in names)) is not None]
    if "charset" not in names:
        query.append("charset=utf8mb4")
    return query


def _tls(item: str, has_ca: bool) -> str | None:
    name, _, value = item.partition("=")
    if name.lower().replace("-", "").replace("_", "") != "sslmode":
        return item
    if has_ca:  # which asks for more than any sslmode
        return None
    try:
        return _TLS_OF_PYMYSQL[value.lower()]
    except KeyError:
        raise ValueError(
            f"PyMySQL has no {name}; to have the server's certificate checked, write ssl_ca=FILE"
        ) from None


def rooted(url: str, root: Path) -> str:
    """`url` with an SQLite file's relative path taken from `root`: the working directory differs from host to host."""
    match = re.match(r"(sqlite(?:\+\w+)?:///)([^?]*)(.*)", url, re.DOTALL)
    if match is None or match[2] in ("", ":memory:") or match[2].startswith("file:"):
        return url
    return f"{match[1]}{root / match[2]}{match[3]}"
