"""What stands in the headers by which proxies say for whom they ask."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
#: A pair of RFC 7239 section 4, and what may stand behind it. Nobody writes spaces around `=` or before `;`, and the
#: grammar has none, but they hide nothing.
_PAIR = rf"[ \t]*({_WORD})=({_WORD}|{_QUOTED})[ \t]*(;|,|\Z)"
_EMPTY = r"[ \t]*(?:,|\Z)"
_PORT = r"(?::[0-9]{1,5})?\Z"
_OCTETS = frozenset(map(str, range(256)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Not at boot: few sites stand behind a proxy that writes this header."""
    return re.compile(pattern)


class Element(NamedTuple):
    """What one proxy says."""

    #: As it is written; it may be a name, or hidden.
    address: str
    scheme: str = ""
    host: str = ""


def read_list(value: str) -> list[str]:
    """The values of a header with commas between them."""
    return [item.strip() for item in value.split(",")] if value else []


def parse_forwarded(value: str) -> list[Element]:
    """The elements of a `Forwarded` header (RFC 7239), the visitor's first. Empty where it is not one: it cannot be
    known which part of a broken one is whose."""
    elements: list[Element] = []
    pairs: dict[str, str] = {}
    at = 0
    while at < len(value):
        # RFC 9110 section 5.6.1.2: empty ones are passed over.
        if not pairs and (empty := _compiled(_EMPTY).match(value, at)):
            at = empty.end()
            continue
        match = _compiled(_PAIR).match(value, at)
        if match is None or match[1].lower() in pairs:
            return []
        pairs[match[1].lower()] = _unquoted(match[2])
        if match[3] != ";":
            elements.append(Element(pairs.get("for", ""), pairs.get("proto", ""), pairs.get("host", "")))
            pairs = {}
        at = match.end()
    return [] if pairs else elements


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def read_address(text: str) -> str | None:
    """The IP address in `text`, in its usual form, or None where there is none: `192.0.2.1:4711`, `"[2001:db8::1]:80"`
    and `::ffff:192.0.2.1` are understood, names and `unknown` are not."""
    text = text.strip()
    octets = text.split(".")
    if len(octets) == 4 and _OCTETS.issuperset(octets):  # most are, and `ipaddress` takes its time
        return text
    from ipaddress import IPv6Address, ip_address

    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if text.startswith("["):
        text, closed, port = text[1:].partition("]")
        if not closed or ":" not in text or not re.match(_PORT, port):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not port or not re.match(_PORT, ":" + port):
            return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None
        return str(address.ipv4_mapped or address)
    return str(address)
