"""Which files are secret, by what they are called or how they begin, whatever else is in them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

#: In small letters, as names are compared.
_NAMES = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", ".pgpass", ".my.cnf", "my.cnf", ".htpasswd", "htpasswd"),
    *("*.key", "*.p8", "*.p12", "*.pkcs12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.kdbx", "*.ovpn", "*.agekey"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "kubeconfig", "*.tfstate", "*.tfvars", "wallet.dat"),
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
#: Of SQLite a database, a log and a journal; PostgreSQL, Redis, and what `demijohn db dump` writes.
_DATABASES = (
    *(b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),
    *(b"PGDMP", b"toc.dat\0", b"REDIS0", b'{"demijohn":"dump"'),
)
_DUMP = re.compile(
    rb"^(-- |--\r?\n-- )[^\r\n]*\bdump\b|^PRAGMA foreign_keys=OFF;\r?\nBEGIN TRANSACTION;", re.IGNORECASE | re.MULTILINE
)


def is_called_so(name: str) -> bool:
    """Whether a file of this name, without its folders, may be secret."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in _NAMES)


def begins_so(path: Path) -> bool:
    """Whether the file at `path` is a database, a dump of one, or a private key.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(1 << 16 if path.suffix.lower() == ".pem" else 256)
    if path.suffix.lower() == ".pem":  # a certificate is none
        return b"PRIVATE KEY" in start
    return start.startswith(_DATABASES) or _DUMP.search(start) is not None
