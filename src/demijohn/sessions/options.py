"""Beaker's session options, checked once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from demijohn.errors import SessionOptionError
from demijohn.sessions.cookie import CookieRule, Seal
from demijohn.sessions.stores import known

#: Option: the types it takes, and how they are called in a message.
_TYPES: dict[str, tuple[Any, str]] = {
    "type": ((str,), "a store's name"),
    "url": ((str, list, tuple), "a url"),
    "memcached_url": ((str, list, tuple), "a list of servers"),
    "key": ((str,), "a cookie's name"),
    "timeout": ((int,), "a number of seconds"),
    "cookie_expires": ((bool, int, timedelta, datetime), "true, false or a number of seconds"),
    "cookie_domain": ((str,), "a domain"),
    "cookie_path": ((str,), "a path"),
    "secret": ((str, list, tuple), "a text, or a list of texts of which the first signs"),
    "secure": ((bool,), "true or false"),
    "httponly": ((bool,), "true or false"),
    "samesite": ((str,), "Lax, Strict or None"),
    "auto": ((bool,), "true or false"),
    "unkept": ((str,), "refuse or drop"),
    "data_serializer": ((str,), "json"),
}
#: Options of Beaker's that are accepted and mean nothing here: nothing is written to disk, a payload that cannot be
#: read is an empty session, and the time of use is always known.
_IDLE = frozenset(("data_dir", "lock_dir", "invalidate_corrupt", "save_accessed_time", "log_file"))

#: What Beaker has and this does not: what is there instead.
INSTEAD = {
    **dict.fromkeys(("validate_key", "encrypt_key"), "session.secret signs and encrypts"),
    **dict.fromkeys(("crypto_type", "encrypt_nonce_bits"), "the cookie store encrypts with AES-GCM"),
    "memcache_module": "the client is chosen by itself: pylibmc, pymemcache or bmemcached, as they are installed",
    "use_cookies": "a session's id always travels in a cookie",
}

#: What a cookie's name, path and domain cannot hold (RFC 6265 section 4.1.1).
_NOT_IN = {"key": r"[\s;,=\x00-\x1f]", "cookie_path": r"[;,\x00-\x1f]", "cookie_domain": r"[\s;,\x00-\x1f]"}

#: What they are by default: no pattern is compiled for these.
_USUAL = ("session", "/")

#: Seconds that a session lives without being used, where nothing is said: two weeks.
TIMEOUT = 14 * 24 * 3600


class Options:
    """What `session.*` says.

    :param given: options with or without the prefix `session.`, as Beaker takes them.
    :raises SessionOptionError: naming each option that is unknown or has a value of the wrong kind.
    """

    #: The options that mean something.
    NAMES = frozenset(_TYPES)

    def __init__(self, given: Mapping[str, Any]) -> None:
        options = {_bare(name): _read(_bare(name), value) for name, value in given.items() if value is not None}
        problems = [problem for name, value in options.items() if (problem := _check(name, value))]
        if problems:
            raise SessionOptionError(" ".join(problems))
        #: The store's own name, however it was spelled.
        self.type: str | None = known(options["type"]) if "type" in options else None
        self.url: Any = options.get("url")
        self.memcached_url: Any = options.get("memcached_url")
        self.timeout: int = options.get("timeout", TIMEOUT)
        self.auto: bool = options.get("auto", True)
        #: Whether a request whose session cannot be kept is answered all the same.
        self.drops = options.get("unkept") == "drop"
        samesite = options.get("samesite", "Lax")
        self.cookie = CookieRule(
            options.get("key", "session"),
            expires=options.get("cookie_expires", True),
            domain=options.get("cookie_domain"),
            path=options.get("cookie_path", "/"),
            secure=options.get("secure"),
            httponly=options.get("httponly", True),
            samesite=None if samesite == "" else samesite,
        )
        secrets: str | Sequence[str] = options.get("secret", ())
        self.secrets = [secrets] if isinstance(secrets, str) else list(secrets)
        self.seal = Seal(self.secrets)


def _bare(name: str) -> str:
    return name.removeprefix("beaker.").removeprefix("session.")


def _read(name: str, value: Any) -> Any:
    """An ini file's text as what it stands for, as Beaker reads it."""
    types = _TYPES.get(name, ((str,), ""))[0]
    if not isinstance(value, str) or str in types:
        return value
    text = value.strip().lower()
    if text.isascii() and text.isdigit() and int in types:
        return int(text)
    if bool not in types:
        return value
    from demijohn.config import kinds  # only for those who write so

    try:
        return kinds.boolean(text)
    except ValueError:
        return value


def _check(name: str, value: Any) -> str | None:
    if name in _IDLE:
        return None
    if name in INSTEAD:
        return f"session.{name} is not an option here: {INSTEAD[name]}."
    if name not in _TYPES:
        idle = ", ".join(sorted(_IDLE))
        return f"session.{name} is not an option. Known are {', '.join(_TYPES)}; and, without effect, {idle}."
    types, called = _TYPES[name]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return f"session.{name} is {value!r}; it takes {called}."
    if name == "data_serializer" and value != "json":
        return f"session.data_serializer is {value!r}; only 'json' is possible, because nothing is ever unpickled."
    if name == "timeout" and value < 1:
        return f"session.timeout is {value}; it takes a number of seconds, at least 1."
    if name == "unkept" and value not in ("refuse", "drop"):
        return f"session.unkept is {value!r}; it takes {called}."
    if name == "samesite" and value not in ("Lax", "Strict", "None", ""):
        return f"session.samesite is {value!r}; it takes {called}."
    if name in _NOT_IN and value not in _USUAL and re.search(_NOT_IN[name], value):
        return f"session.{name} is {value!r}, which holds a character that a cookie cannot have there."
    return None
