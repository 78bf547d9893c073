"""Database addresses put together from what a host says in several variables. DATABASE_URL, where somebody has set it,
is stronger than what is found here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

#: A setting's value and where it is from, by the setting's dotted name.
Given = dict[str, tuple[object, str]]

_OWN = ("DEMIJOHN_DATABASE_URL", "DATABASE_URL")


def has_own(environ: Mapping[str, str]) -> bool:
    """Whether somebody has named a database by hand."""
    return any(environ.get(variable, "").strip() for variable in _OWN)


def mysql(user: str, password: str, host: str, port: str, name: str) -> str:
    """The address of a MySQL database; a `$` or an `@` in the parts does no harm."""
    return f"mysql://{_quoted(user)}:{_quoted(password)}@{host}:{port}/{_quoted(name)}"


def of_cloud_sql(environ: Mapping[str, str], host: str) -> Given:
    """The database that Google's samples for Cloud SQL describe in INSTANCE_UNIX_SOCKET, DB_USER, DB_PASS and DB_NAME.

    What kind it is, none of them says. MySQL's socket is a file and PostgreSQL's lies in a folder; DB_PORT=5432, which
    the samples use for addresses, says it where there is no socket to be seen.
    """
    names = ("INSTANCE_UNIX_SOCKET", "DB_USER", "DB_PASS", "DB_NAME")
    socket, user, password, name = (environ.get(variable, "") for variable in names)
    if not (socket and user and name):
        return {}
    source = f"INSTANCE_UNIX_SOCKET, DB_USER, DB_PASS and DB_NAME (host {host})"
    account = f"{_quoted(user)}:{_quoted(password)}" if password else _quoted(user)
    if environ.get("DB_PORT", "").strip() == "5432" or os.path.isdir(socket):
        return {"database.url": (f"postgresql://{account}@/{_quoted(name)}?host={quote(socket)}", source)}
    return {"database.url": (f"mysql://{account}@localhost/{_quoted(name)}?unix_socket={quote(socket)}", source)}


def _quoted(text: str) -> str:
    return quote(text, safe="")
