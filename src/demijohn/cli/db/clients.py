"""The command lines of sqlite3, mariadb, mysql and psql for a database URL. A password travels in the environment of
the client, which only its owner can see, never among its arguments, which everybody on the machine can."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import URL

#: What the driver is told of TLS.
Args = dict[str, Any]


class Client(NamedTuple):
    """A program to run."""

    words: list[str]
    environment: dict[str, str]


def client(
    url: URL,
    kind: str,
    command: str,
    which: Callable[[str], str | None],
    *,
    tls: str = "auto",
    tls_ca: str | None = None,
) -> Client | None:
    """The client of this database. None: it is not installed, or cannot insist on TLS as the settings do.

    :param kind: `sqlite`, `mysql`, `postgresql`.
    :param command: what it is to run; empty: it asks.
    :param which: finds a program, as `shutil.which` does.
    :param tls: as `tls.connect_args` takes it; so is `tls_ca`. The client is told the same as the driver.
    :raises DatabaseTlsError: `tls_ca`, or what the URL says of TLS, cannot be used.
    """
    from demijohn.database.tls import connect_args

    args = connect_args(url, tls=tls, tls_ca=tls_ca)[1]
    for name in _NAMES.get(kind, ()):
        program = which(name)
        if program is None:
            continue
        if name == "mariadb" and _mode(args) == "require":
            # Its --ssl means: if the server can. It insists only where it also checks the certificate.
            return None
        words, variables = _CLIENTS[kind](url, name, command, {**args, "ca": tls_ca})
        return Client([program, *words], {**os.environ, **variables})
    return None


def _sqlite(url: URL, name: str, command: str, args: Args) -> tuple[list[str], dict[str, str]]:
    # As every connection of the site has it.
    words = ["-cmd", "PRAGMA foreign_keys=ON", url.database or ":memory:"]
    return [*words, command] if command else words, {}


def _mysql(url: URL, name: str, command: str, args: Args) -> tuple[list[str], dict[str, str]]:
    words = list(_mysql_words(url, name, args))
    if command:
        words.append(f"--execute={command}")
    if url.database:
        words.append(url.database)
    return words, {"MYSQL_PWD": str(url.password)} if url.password else {}


def _mysql_words(url: URL, name: str, args: Args) -> Iterator[str]:
    query = {key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()}
    if url.username:
        yield f"--user={url.username}"
    if "unix_socket" in query:
        yield f"--socket={query['unix_socket']}"
    elif url.host:
        yield f"--host={url.host}"
        yield "--protocol=tcp"  # `localhost` means the socket to the client, and the network to the driver
        if url.port:
            yield f"--port={url.port}"
    yield f"--default-character-set={query.get('charset', 'utf8mb4')}"
    mode = _mode(args)
    if mode:
        yield from (_TLS_OF_MARIADB if name == "mariadb" else _TLS_OF_MYSQL)[mode]
    files = {option: query[option] for option in ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key") if option in query}
    if mode == "verify" and not files.keys() & {"ssl_ca", "ssl_capath"}:
        from demijohn.database.tls import system_authorities

        files["ssl_ca"] = args["ca"] or system_authorities()
    for option, path in files.items():
        yield f"--{option.replace('_', '-')}={path}"


def _mode(args: Args) -> str:
    """What PyMySQL is told of TLS, in the words of the setting; empty: nothing."""
    context = args.get("ssl")
    if context is None:
        return "off" if args.get("ssl_disabled") else ""
    if not context.verify_mode:
        return "auto" if args["plain_allowed"] else "require"
    return "verify" if context.check_hostname else "verify-ca"


def _postgresql(url: URL, name: str, command: str, args: Args) -> tuple[list[str], dict[str, str]]:
    # What stands behind the ? is libpq's own: host=/a/socket, sslmode, sslrootcert.
    tls: dict[str, str] = {str(word): args[word] for word in ("sslmode", "sslrootcert") if word in args}
    address = url._replace(drivername="postgresql", password=None).update_query_dict(tls).render_as_string()
    words = ["--command", command] if command else []
    return [*words, address], {"PGPASSWORD": str(url.password)} if url.password else {}


_TLS_OF_MYSQL = {
    "off": ["--ssl-mode=DISABLED"],
    "auto": ["--ssl-mode=PREFERRED"],
    "require": ["--ssl-mode=REQUIRED"],
    "verify-ca": ["--ssl-mode=VERIFY_CA"],
    "verify": ["--ssl-mode=VERIFY_IDENTITY"],
}
#: It cannot check an authority without the name. From 11.4 on it checks both unless it is told not to.
_TLS_OF_MARIADB = {
    "off": ["--skip-ssl"],
    "auto": ["--ssl", "--skip-ssl-verify-server-cert"],
    "verify-ca": ["--ssl", "--ssl-verify-server-cert"],
    "verify": ["--ssl", "--ssl-verify-server-cert"],
}
#: The programs, the best first.
_NAMES = {"sqlite": ("sqlite3",), "mysql": ("mariadb", "mysql"), "postgresql": ("psql",)}
_CLIENTS: dict[str, Callable[[URL, str, str, Args], tuple[list[str], dict[str, str]]]] = {
    "sqlite": _sqlite,
    "mysql": _mysql,
    "postgresql": _postgresql,
}
