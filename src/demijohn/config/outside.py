"""Kinds of values about what stands between visitors and the site: networks, names of hosts, headers, the policy."""

from __future__ import annotations

import re
from collections.abc import Mapping

from demijohn.config import csp
from demijohn.config.kinds import Kind, boolean, each, is_off, matching, seconds, words

_NAME = r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]"
_HEADER = r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*"


def networks(value: object) -> tuple[str, ...]:
    """Addresses and networks, and `unix`."""
    return tuple(_network(word) for word in words(value))


def _network(word: str) -> str:
    if word.lower() == "unix":
        return "unix"
    from ipaddress import ip_network

    return str(ip_network(word))  # its ValueError has the text that it refuses: no secret


def hosts(value: object) -> tuple[str, ...]:
    """Names, with a port or without."""
    read = matching(rf"({_NAME})(:[0-9]{{1,5}})?")
    return tuple(word.lower() for word in each(read, value))


def age(value: object) -> int:
    """Seconds; 0 for `off`."""
    return 0 if is_off(value) or str(value).strip() == "0" else seconds(value)


def policy(value: object) -> str:
    """The directives in one text; `off`."""
    return csp.written(csp.read(value))


def headers(value: object) -> tuple[str, ...] | bool:
    """`Name: value` each, with `off` as a value where it is not to be sent; or False for none at all."""
    if isinstance(value, (bool, str)) and ":" not in str(value):
        return () if boolean(value) else False
    if isinstance(value, str):
        value = dict(line.partition(":")[::2] for line in value.splitlines() if line.strip())
    if not isinstance(value, Mapping):
        raise ValueError
    return tuple(_header(str(name).strip(), text) for name, text in value.items())


def _header(name: str, value: object) -> str:
    if not re.fullmatch(_HEADER, name):
        raise ValueError(f"{name[:40]!r} is no name of a header")
    if name.lower() in ("content-security-policy", "strict-transport-security"):
        raise ValueError(f"{name} is set by security.csp and security.hsts")
    text = "off" if value is False else str(value).strip()
    if not re.fullmatch(r"[ -~]+", text):
        raise ValueError(f"{name} must hold plain characters on one line")
    return f"{name}: {text}"


NETWORKS = Kind("a list of networks such as 10.0.0.0/8, of addresses, and unix", networks)
HOSTS = Kind("a list of names such as example.org, .example.org or example.org:8080", hosts)
HEADER = Kind("the name of a header", matching(_HEADER))
AGE = Kind("a number of seconds such as 31536000 or 365d, or off", age)
CSP = Kind("directives with their sources, such as img-src: https://images.example.org, or off", policy)
HEADERS = Kind("names of headers with their values, or off", headers)
