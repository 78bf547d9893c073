"""How a connection is made: encrypted or not, how long it may take, and how a peer that has vanished is noticed.

PyMySQL and libpq (psycopg) have different words for the same things; here one word has one meaning for both. What the
URL says in the driver's own words is stronger than all of it.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Any

from demijohn.errors import DatabaseTlsError

if TYPE_CHECKING:
    import ssl

    import sqlalchemy

#: libpq's, in seconds and milliseconds. A peer that has vanished without a word (a host that lost its power, a
#: firewall that forgot the connection) is noticed after some 25 s; by the kernel's own times it takes two hours.
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
_SSLMODES = {"off": "disable", "require": "require", "verify": "verify-full"}

#: What PyMySQL and SQLAlchemy understand of TLS in a URL. They make a context of it for each connection.
_WORDS_OF_PYMYSQL = frozenset(
    (
        "ssl",
        "ssl_ca",
        "ssl_capath",
        "ssl_cert",
        "ssl_check_hostname",
        "ssl_cipher",
        "ssl_disabled",
        "ssl_key",
        "ssl_key_password",
        "ssl_verify_cert",
        "ssl_verify_identity",
    )
)
_TRUE = frozenset(("true", "yes", "on", "1", "required", "optional"))
_FALSE = frozenset(("false", "no", "off", "0", "none"))
#: Where systems keep the authorities that they believe: Debian and Alpine, Fedora, SUSE, macOS.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def connect_args(
    address: sqlalchemy.URL, *, tls: str = "auto", tls_ca: str | None = None, connect_timeout: int = 5
) -> tuple[sqlalchemy.URL, dict[str, Any]]:
    """`address` without what is said better here, and the driver's arguments. Nothing for a driver that is not known.

    :param tls: `auto` (not on this machine; else encrypted where the server can, its certificate not checked), `off`,
        `require` (encrypted or nothing), `verify` (and the certificate and the host's name in it checked). A unix
        socket is never encrypted: what it carries does not leave the machine.
    :param tls_ca: a file with the authorities to believe, in place of the system's.
    :param connect_timeout: seconds.
    :raises DatabaseTlsError: the authorities, or what the URL says of TLS, cannot be used.
    """
    kind, _, driver = address.drivername.partition("+")
    if kind in ("mysql", "mariadb") and driver in ("pymysql", "demijohn"):
        return _pymysql(address, tls, tls_ca, connect_timeout)
    if kind == "postgresql" and driver in ("", "psycopg", "psycopg2", "demijohn"):
        return address, _libpq(address, tls, tls_ca, connect_timeout)
    if tls != "auto" and kind != "sqlite":
        raise DatabaseTlsError(f"database.tls is for PyMySQL and psycopg; {driver or kind} has words of its own.")
    return address, {}


def is_near(address: sqlalchemy.URL) -> bool:
    """Whether the server is on this machine: by a unix socket or by loopback."""
    return all(_is_path(host) or _is_loopback(host) for host in _hosts(address))


def _hosts(address: sqlalchemy.URL) -> list[str]:
    query = address.query
    if "unix_socket" in query:
        return ["/"]
    found: Any = address.host
    if address.get_backend_name() == "postgresql":
        found = query.get("hostaddr") or query.get("host") or found or os.environ.get("PGHOST")
    listed = found.split(",") if isinstance(found, str) else found or ("localhost",)
    return [host if _is_path(host) or host.count(":") != 1 else host.partition(":")[0] for host in listed]


def _is_path(host: str) -> bool:
    return host.startswith(("/", "@"))  # libpq's socket folder; @ is Linux's abstract one


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost")


def _libpq(address: sqlalchemy.URL, tls: str, tls_ca: str | None, connect_timeout: int) -> dict[str, Any]:
    said = address.query
    args: dict[str, Any] = {"connect_timeout": connect_timeout, **KEEPALIVE}
    if not all(_is_path(host) for host in _hosts(address)):
        if tls == "auto":
            # Debian's PostgreSQL would encrypt what never leaves the machine. The far end of a tunnel may insist on it.
            if is_near(address) and "PGSSLMODE" not in os.environ:
                args["sslmode"] = "allow"
        else:
            args["sslmode"] = _SSLMODES[tls]
        if tls == "verify" and "sslmode" not in said:
            args["sslrootcert"] = tls_ca or system_authorities()
    return {name: value for name, value in args.items() if name not in said}


def system_authorities() -> str:
    """The file with the authorities that the system believes. libpq's own word for them, `system`, asks the OpenSSL in
    psycopg's wheel, which looks for them in a folder that no system has."""
    import ssl

    paths = ssl.get_default_verify_paths()
    found = (path for path in (paths.cafile, *_BUNDLES) if path and os.path.isfile(path))
    return next(found, "system")


def _pymysql(
    address: sqlalchemy.URL, tls: str, tls_ca: str | None, connect_timeout: int
) -> tuple[sqlalchemy.URL, dict[str, Any]]:
    args: dict[str, Any] = {} if "connect_timeout" in address.query else {"connect_timeout": connect_timeout}
    words = {name: _last(address.query[name]) for name in address.query if name in _WORDS_OF_PYMYSQL}
    if words:
        return address.difference_update_query(list(words)), {**args, **_said(words)}
    near = "unix_socket" in address.query or (tls == "auto" and is_near(address))
    if near or tls == "off":
        # Without this PyMySQL loads the system's authorities for each connection, 40 ms, and then does not use them.
        return address, {**args, "ssl_disabled": True}
    context = _context(check=tls == "verify", ca=tls_ca)
    return address, {**args, "ssl": context, "plain_allowed": tls == "auto"}


def _said(words: dict[str, str]) -> dict[str, Any]:
    """The words of a URL, as SQLAlchemy and PyMySQL mean them, in one context for all connections."""
    if _is_true(words, "ssl_disabled") or not _is_true(words, "ssl", True):
        return {"ssl_disabled": True}
    if not words.keys() - {"ssl_disabled"}:
        return {"ssl": _context(check=False), "plain_allowed": True}
    has_ca = "ssl_ca" in words or "ssl_capath" in words
    name = _is_true(words, "ssl_verify_identity", _is_true(words, "ssl_check_hostname", has_ca))
    check = _is_true(words, "ssl_verify_identity") or _is_true(words, "ssl_verify_cert", has_ca or name)
    context = _context(
        check=check,
        check_name=name,
        ca=words.get("ssl_ca"),
        folder=words.get("ssl_capath"),
        certificate=(words["ssl_cert"], words.get("ssl_key"), words.get("ssl_key_password"))
        if "ssl_cert" in words
        else None,
        ciphers=words.get("ssl_cipher"),
    )
    return {"ssl": context, "plain_allowed": False}


def _last(value: Any) -> str:
    return value if isinstance(value, str) else str(value[-1])


def _is_true(words: dict[str, str], name: str, default: bool = False) -> bool:
    word = words.get(name, str(default)).lower()
    if word not in _TRUE and word not in _FALSE:
        raise DatabaseTlsError(f"The database's URL says {name}={word[:20]}; it must be true or false.")
    return word in _TRUE


def _context(
    check: bool,
    check_name: bool = True,
    ca: str | None = None,
    folder: str | None = None,
    certificate: tuple[str, str | None, str | None] | None = None,
    ciphers: str | None = None,
) -> ssl.SSLContext:
    import ssl

    # Not create_default_context: that one also refuses what MySQL signs by itself, which lacks an extension.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check and check_name
    context.verify_mode = ssl.CERT_REQUIRED if check else ssl.CERT_NONE
    try:
        if check and (ca or folder):
            context.load_verify_locations(ca, folder)
        elif check:
            context.load_default_certs()
        if certificate is not None:
            context.load_cert_chain(*certificate)
        if ciphers is not None:
            context.set_ciphers(ciphers)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        files = ", ".join(path for path in (ca, folder, *(certificate or ())[:2]) if path)
        raise DatabaseTlsError(
            f"What the database's connections are to be encrypted with cannot be used: {files or ciphers}: {error}. "
            "It must be certificates as PEM files."
        ) from error
    return context
