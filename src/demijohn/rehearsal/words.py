"""What an error says: of whom it tells, and whether it is the site's fault or comes of the rehearsal."""

from __future__ import annotations

import base64
import re
import secrets

_HEAD = "Traceback (most recent call last):\n"
#: How a traceback ends where `os.environ[NAME]` has found nothing.
_NOT_SET = re.compile(
    r'File "(?:<frozen os>|[^"\n]*\bos\.py)", line \d+, in __getitem__\n(?: .*\n)*KeyError: \'([^\'\n]+)\'\s*\Z'
)
#: What SQLite, and SQLAlchemy for it, say of what other databases can do.
_NOT_IN_SQLITE = re.compile(
    r"(?i)sqlite3?\.OperationalError.*(no such (function|collation|module)|syntax error|unrecognized token"
    r"|unknown database|cannot add a )|SQLite(Type|DDL)?Compiler|\bSQLite dialect\b"
)
#: Values in the place of those that are set on the host alone, by what the variable is called.
_STAND_INS = (
    (r"REDIS", "redis://127.0.0.1:6379/0"),
    (r"MONGO", "mongodb://127.0.0.1:27017/site"),
    (r"AMQP|BROKER|RABBIT", "amqp://127.0.0.1:5672"),
    (r"MAIL(?!.*(HOST|SERVER|PORT))|FROM$", "somebody@example.org"),
    (r"URL|URI|DSN|ENDPOINT|WEBHOOK", "https://public@stand-in.invalid/1"),
)


def mistakes(text: str) -> list[tuple[str, int]]:
    """The files and lines of a traceback, the innermost last."""
    return [(file, int(line)) for file, line in re.findall(r'File "([^"\n]+)", line (\d+)', text)]


def in_words(error: BaseException) -> str:
    """`TypeError: no`, in one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return _short(f"{name}: {text}" if text else name)


def last_error(text: str) -> str:
    """The line that names the error at which the last traceback in `text` ends; without one, the last line."""
    _, found, rest = text.rpartition(_HEAD)
    lines = (rest if found else text).rstrip().splitlines() or [""]
    return _short(next((line for line in lines if line[:1] not in (" ", "")), lines[-1]) if found else lines[-1])


def _short(text: str) -> str:
    # Where an object lies in memory is by chance: what is said of it would be another fault on each host.
    return re.sub(r" (object )?at 0x[0-9a-fA-F]+", "", text)[:300]


def not_set(text: str) -> str:
    """The variable for want of which a traceback ends; empty: it ends otherwise."""
    match = _NOT_SET.search(text)
    return match[1] if match else ""


def stand_in(variable: str) -> str:
    """A value for a variable that is set on the host alone. Most code takes it, and nobody is reached by it."""
    for pattern, value in _STAND_INS:
        if re.search(pattern, variable.upper()):
            return value
    if re.search(r"KEY|SECRET|TOKEN|PASSWORD|SALT", variable.upper()):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()  # also a key of Fernet's
    return "1"


def is_sqlites(text: str) -> bool:
    """Whether SQLite, the database of a rehearsal, is what cannot do it."""
    return bool(_NOT_IN_SQLITE.search(text))
