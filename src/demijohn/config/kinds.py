"""The kinds of values: one small function each, from what is written (text in a file or a variable, or a Python value
in the arguments) to what the site works with. Each raises ValueError for what it does not take; its text, if it has
any, is the detail that the sentence "must be ..." leaves out, and never holds the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from demijohn.config import addresses, urls
from demijohn.config.secret import Secret, Url


class Kind(NamedTuple):
    """What a value must be, in words that follow "must be", and the function that reads it."""

    says: str
    read: Callable[[object], object]
    choices: tuple[str, ...] = ()


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
TLS_WORDS = ("auto", "off", "require", "verify")
#: libpq's words, and those of YAML.
_SSLMODES = {"prefer": "auto", "disable": "off", "false": "off", "no": "off", "verify-full": "verify"}
_NOTHING: Mapping[str, str] = {}


def boolean(value: object) -> bool:
    """`true`, `yes`, `on`, `1` and their opposites, in any case."""
    try:
        return _WORDS[str(value).strip().lower()]
    except KeyError:
        raise ValueError from None


def boolean_or(*words: str) -> Callable[[object], bool | str]:
    def read(value: object) -> bool | str:
        return value if isinstance(value, str) and value in words else boolean(value)

    return read


def boolean_or_seconds(value: object) -> bool | int:
    """Beaker's `cookie_expires`. A number is a number of seconds, also 1."""
    if isinstance(value, bool) or (isinstance(value, str) and value.isalpha()):
        return boolean(value)
    return seconds(value)


def integer_or(word: str, low: int, high: int) -> Callable[[object], int | str]:
    number = integer(low, high)

    def read(value: object) -> int | str:
        return word if value == word else number(value)

    return read


def is_off(value: object) -> bool:
    """Whether it is the word `off`, which YAML takes for false."""
    return value is False or (isinstance(value, str) and value.strip().lower() in ("off", "false", "no"))


def milliseconds_or_off(value: object) -> int | None:
    """A whole number, up to an hour; None for `off`."""
    return None if is_off(value) else integer(1, 3_600_000)(value)


def integer(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        return _quantity(value, {"": 1}, low, high)

    return read


def seconds(value: object) -> int:
    """A whole number, or one with a unit: `30s`, `10m`, `2h`, `14d`. Ten years at most."""
    return _quantity(value, _SECONDS, 1, 10 * 365 * 86400)


def size(value: object) -> int:
    """Bytes: a whole number, or one with a unit: `512 KiB`, `4 MiB`, `4 MB` (4,000,000)."""
    return _quantity(value, _BYTES, 1, 1024**5)


def size_or_auto(value: object) -> int | str:
    return "auto" if value == "auto" else size(value)


def _quantity(value: object, units: Mapping[str, int], low: int, high: int) -> int:
    if isinstance(value, str):
        match = re.fullmatch(r"([+-]?[0-9]{1,18})\s*([A-Za-z]*)", value.strip())
        if match is None or match[2].lower() not in units:
            raise ValueError
        value = int(match[1]) * units[match[2].lower()]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError
    return value


def text(value: object) -> str:
    """A text with something in it."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    return value


def matching(pattern: str) -> Callable[[object], str]:
    """A text of which the whole matches `pattern`."""

    def read(value: object) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError
        return value

    return read


def choice(
    *names: str, others: Mapping[str, str] = _NOTHING, refused: Mapping[str, str] = _NOTHING
) -> Callable[[object], str]:
    """One of `names` in any case.

    :param others: other spellings of them.
    :param refused: what people may well write, and why it is not taken.
    """
    spellings = {name.lower(): name for name in names} | {**others}

    def read(value: object) -> str:
        word = text(value).lower()
        if word not in spellings:
            raise ValueError(refused.get(word, ""))
        return spellings[word]

    return read


def secret(value: object) -> Secret:
    return Secret(text(value))


def words(value: object) -> tuple[str, ...]:
    """A list of texts, or one text with commas or white space between them."""
    items = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(word for item in items for word in re.split(r"[,\s]+", text(item)) if word)


def secrets(value: object) -> tuple[Secret, ...]:
    """One or several, the newest first."""
    return tuple(Secret(word) for word in words(value))


def servers(value: object) -> tuple[str, ...]:
    """`host:port`, `[ipv6]:port`, or a unix socket's path, each a `Url` where a user stands before it. Beaker puts
    semicolons between them."""
    return tuple(addresses.read(part) for word in words(value) for part in word.split(";") if part)


def bare_servers(value: object) -> tuple[str, ...]:
    """As `servers`, without users."""
    found = servers(value)
    if any(isinstance(server, Url) for server in found):
        raise ValueError("a user and a password are understood in memcached.url only")
    return found


def database_url(value: object) -> Url:
    """A database URL, mended; the empty text stands for no database."""
    return Url("" if value == "" else urls.mend(text(value)))


def replicas(value: object) -> tuple[str, ...]:
    """Database URLs, mended, or names of hosts; in a list, or with white space or commas between them."""
    items = value if isinstance(value, (list, tuple)) else (value,)
    words = [word for item in items for word in text(item).split()]
    # A comma may be a part of a URL, but not one before the next.
    pattern = r",(?=[A-Za-z][\w+]*://)"
    found = [part for word in words for part in (re.split(pattern, word) if "://" in word else word.split(","))]
    return tuple(_replica(part) for part in (part.strip(",") for part in found) if part)


def _replica(word: str) -> str:
    if "://" in word:
        return Url(urls.mend(word))
    return matching(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?")(word)


def tls(value: object) -> str:
    """YAML takes a bare `off` for false."""
    if value is False:
        return "off"
    return choice(*TLS_WORDS, others=_SSLMODES)(value)


def each(read: Callable[[object], str], value: object) -> tuple[str, ...]:
    """What `read` makes of each word of a list; the error names the one that it refuses. Not for what is secret."""
    found = []
    for word in words(value):
        try:
            found.append(read(word))
        except ValueError:
            raise ValueError(f"{word[:60]!r} is none") from None
    return tuple(found)


def origins(value: object) -> tuple[str, ...]:
    """`scheme://host` or `scheme://host:port` each."""
    read = matching(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?")
    return each(read, value)


def plain_url(value: object) -> Url:
    """Any address that may hold a password."""
    return Url(text(value))


def redis_url(value: object) -> Url:
    url = plain_url(value)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError
    return url


def json_only(value: object) -> str:
    if value != "json":
        raise ValueError("nothing is ever unpickled")
    return "json"


# Kinds without a bound of their own; those with one are made in options.py.
BOOLEAN = Kind("true or false", boolean)
BOOLEAN_OR_AUTO = Kind("true, false or auto", boolean_or("auto"))
BOOLEAN_OR_READ_ONLY = Kind("on, off or read-only", boolean_or("read-only"), ("on", "off", "read-only"))
BOOLEAN_OR_SECONDS = Kind("true, false, or a number of seconds such as 3600 or 1h", boolean_or_seconds)
SECONDS = Kind("a number of seconds, at least 1, such as 600, 10m, 2h or 14d", seconds)
MILLISECONDS_OR_OFF = Kind("off, or a whole number of milliseconds from 1 to 3600000", milliseconds_or_off)
SIZE = Kind("a number of bytes, at least 1, such as 4194304 or 4 MiB", size)
SIZE_OR_AUTO = Kind("auto, or a number of bytes, at least 1, such as 4194304 or 4 MiB", size_or_auto)
TEXT = Kind("a text", text)
PATH = Kind("a path that begins with /", matching(r"/[^\s;,?#\x00-\x1f\x7f]*"))
# RFC 6265 section 4.1.1: a cookie's name is a token of RFC 9110.
COOKIE_NAME = Kind("a cookie's name: letters, digits and !#$%&'*+-.^_`|~", matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"))
DOMAIN = Kind("a domain such as example.org", matching(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"))
PREFIX = Kind("at most 64 letters, digits and _ . -", matching(r"[A-Za-z0-9_.-]{0,64}"))
SECRETS = Kind("a text that nobody can guess, or a list of them, the newest first", secrets)
PASSWORD = Kind("a text", secret)
_SERVERS = "a list of servers, each host:port, [ipv6]:port or the path of a unix socket"
SERVERS = Kind(_SERVERS, servers)
BARE_SERVERS = Kind(_SERVERS, bare_servers)
DATABASE_URL = Kind("a database URL such as postgresql://user:password@host/name, or empty for none", database_url)
REPLICAS = Kind("a list of database URLs, or of hosts that have the same database", replicas)
TLS = Kind("auto, off, require or verify", tls, TLS_WORDS)
ORIGINS = Kind("a list of origins, each scheme://host or scheme://host:port, such as https://www.example.org", origins)
URL = Kind("an address", plain_url)
REDIS_URL = Kind("a URL that begins with redis://, rediss:// or unix://", redis_url)
JSON = Kind("json", json_only)


def whole(low: int, high: int) -> Kind:
    return Kind(f"a whole number from {low} to {high}", integer(low, high))


def whole_or_auto(low: int, high: int) -> Kind:
    return Kind(f"auto, or a whole number from {low} to {high}", integer_or("auto", low, high))


def one_of(*names: str, others: Mapping[str, str] = _NOTHING, refused: Mapping[str, str] = _NOTHING) -> Kind:
    listed = f"{', '.join(names[:-1])} or {names[-1]}"
    return Kind(listed, choice(*names, others=others, refused=refused), names)
