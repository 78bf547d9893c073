"""Which files are secret, by what they are called or how they begin: the one list of them. A bundle leaves out whatever
may be; `demijohn check` calls an error in git what surely is, and warns of the rest.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

#: In small letters, as names are compared. What is called so is secret, if there is anything in it.
_SURELY = (
    *(".env", ".env.*", ".netrc", ".pgpass", ".my.cnf", ".htpasswd", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    *("*.p12", "*.pkcs12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
)
#: And what is called so is no more than likely to be.
_NAMES = (
    *_SURELY,
    *("*.env", ".envrc", "my.cnf", "htpasswd", "*.key", "*.p8", "*.ppk", "*.ovpn", "*.agekey", "wallet.dat"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "kubeconfig", "*.tfstate", "*.tfvars"),
    *("credentials*.json", "client_secret*.json", "service*account*.json", "token.json", "token.pickle", "auth.json"),
    *(
        "secret.txt",
        "secret.json",
        "secret.yaml",
        "secret.yml",
        "secrets.json",
        "secrets.yaml",
        "secrets.yml",
        "secrets.toml",
        "secrets.ini",
        "secrets.txt",
    ),
    *("password.txt", "passwords.txt", "passwords.csv"),
    *("*.sqlite", "*.sqlite[23]", "*.sqlite-*", "*.sqlite[23]-*", "*.db", "*.db-*", "*.db3", "*.db3-*", "*.mdb"),
    *("*.dump", "*.rdb", "dump*.sql", "*[_.-]dump.sql", "backup*.sql", "*[_.-]backup.sql", "*.bak"),
    *("*.sql.gz", "*.sql.bz2", "*.sql.xz", "*.sql.zst", "*.sql.zip", "backup*.zip", "backup*.tar", "backup*.tar.*"),
)
#: For those who are to write their own.
_EXAMPLES = re.compile(r"\.env\.(example|sample|template|dist|test)")
#: Of SQLite a database, a log and a journal; PostgreSQL, Redis, and what `demijohn db dump` writes.
_DATABASES = (
    *(b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),
    *(b"PGDMP", b"toc.dat\0", b"REDIS0", b'{"demijohn":"dump"'),
)
_ACCOUNT = re.compile(rb'"private_key"\s*:\s*"-----BEGIN')
_DUMP = re.compile(
    rb"^(-- |--\r?\n-- )[^\r\n]*\bdump\b|^PRAGMA foreign_keys=OFF;\r?\nBEGIN TRANSACTION;", re.IGNORECASE | re.MULTILINE
)


def is_called_so(name: str) -> bool:
    """Whether a file of this name, without its folders, may be secret."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in _NAMES)


def is_surely(path: Path) -> bool:
    """Whether the file at `path` is secret for certain: by its name, or as a database, a private key or the account of
    a service.

    :raises OSError: it cannot be read.
    """
    name = path.name.lower()
    if any(fnmatchcase(name, pattern) for pattern in _SURELY) and not _EXAMPLES.fullmatch(name):
        return bool(path.read_bytes().strip())
    with path.open("rb") as file:
        start = file.read(1 << 16 if name.endswith((".pem", ".key", ".json")) else 256)
    if name.endswith((".pem", ".key")):
        return b"PRIVATE KEY-----" in start
    return start.startswith(_DATABASES) or (name.endswith(".json") and _ACCOUNT.search(start) is not None)


def may_be(path: Path) -> bool:
    """Whether the file at `path` is called, or begins, as secret ones do, and is not there to be copied.

    :raises OSError: it cannot be read.
    """
    return not _EXAMPLES.fullmatch(path.name.lower()) and (is_called_so(path.name) or begins_so(path))


def begins_so(path: Path) -> bool:
    """Whether the file at `path` is a database, a dump of one, or a private key.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(1 << 16 if path.suffix.lower() == ".pem" else 256)
    if path.suffix.lower() == ".pem":  # a certificate is none
        return b"PRIVATE KEY" in start
    return start.startswith(_DATABASES) or _DUMP.search(start) is not None
