"""memcached servers as they are written: an address, and sometimes a user and a password before it."""

from __future__ import annotations

import re

from demijohn.config.secret import Secret, Url
from demijohn.config.urls import UNQUOTED

_SCHEME = "memcached://"


def read(word: str) -> str:
    """`host:port`, `[ipv6]:port` or a socket's path; a `Url` where a user stands before it.

    :raises ValueError: it is none of these. The message does not hold any of it.
    """
    word = re.sub(r"\Amemcached?://", "", word)
    if word.startswith(("/", "unix:")):
        return _address(word)
    user, at, address = word.rpartition("@")
    if re.search("[@/]", user):
        raise ValueError(UNQUOTED)
    return Url(f"{_SCHEME}{user}@{_address(address)}") if at else _address(address)


def split(server: str) -> tuple[str, Secret, str]:
    """User, password and address of a server as `read` gives it; the first two empty where it has none."""
    if not isinstance(server, Url):
        return "", Secret(""), server
    from urllib.parse import unquote

    user, _, address = server.removeprefix(_SCHEME).rpartition("@")
    name, _, password = user.partition(":")
    return unquote(name), Secret(unquote(password)), address


def _address(word: str) -> str:
    if word.startswith(("/", "unix:")):
        return re.sub(r"\Aunix:(//)?", "", word)
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/]+)(?::([0-9]{1,5}))?/?", word)
    if match is None:
        raise ValueError("an IPv6 address needs brackets: [::1]:11211" if word.count(":") > 1 else "")
    port = int(match[2] or 11211)
    if not 0 < port < 65536:
        raise ValueError
    return f"{match[1]}:{port}"
