"""Nothing secret is written down: known by its name, or by its value. What is secret says `demijohn.secrecy`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from demijohn.secrecy import HIDDEN, is_secret, spelled

#: `scheme://user:password@`.
_URL = re.compile(r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}://[^\s:/@'\"<>]{0,200}:)([^\s/'\"<>]+)@", re.IGNORECASE)
#: A name and a text or number behind it, as reprs, keyword arguments, JSON and query strings have them.
_ASSIGNED = re.compile(
    r"(?P<name>[A-Za-z_][\w.-]{0,80})(?P<close>['\"]?\s{0,3}[:=]\s{0,3})"
    r"(?P<value>[bBuUrRfF]{0,2}'(?:[^'\\]|\\.)*'|[bBuUrRfF]{0,2}\"(?:[^\"\\]|\\.)*\"|[0-9]{3,}\b)"
)
_PARAMETER = re.compile(r"(?P<name>(?<=[?&'\"])[\w.%-]{1,80})(?P<close>=)(?P<value>[^\s&#'\"<>()]+)")
_PAIR = re.compile(r"(?P<name>[^&;=?#]{1,200})=(?P<value>[^&;#]*)")
#: How deep addresses in addresses are looked into; what is wrapped up deeper is hidden. Each takes a search of its own.
_DEPTH = 3


class Scrub:
    """:param values: secrets that this site knows: their values are hidden wherever they stand."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = spelled(values)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def values(self, text: str) -> str:
        """`text` without the secrets that are known by their values, and without passwords in URLs."""
        if "://" in text:
            text = _URL.sub(_hide_password, text)
        return text if self._known is None else self._known.sub(HIDDEN, text)

    def text(self, text: str) -> str:
        """`text` without those either that stand behind their names: `password='...'`, `{"token": "..."}`."""
        text = _ASSIGNED.sub(self._hide_assigned, text)
        return self.values(_PARAMETER.sub(self._hide_assigned, text) if "=" in text else text)

    def query(self, query: str) -> str:
        """A query string, or a whole address, without the values of secret names."""
        return self.values(_PAIR.sub(self._hide_pair, query))

    def mapping(self, pairs: Mapping[str, Any] | Iterable[tuple[str, str]]) -> dict[str, str]:
        """Names and texts, those of secret names hidden."""
        items = pairs.items() if isinstance(pairs, Mapping) else pairs
        return {name: HIDDEN if is_secret(name) else self.values(str(value)) for name, value in items}

    def _hide_assigned(self, match: re.Match[str]) -> str:
        return match["name"] + match["close"] + HIDDEN if is_secret(match["name"]) else match[0]

    def _hide_pair(self, match: re.Match[str], depth: int = 0) -> str:
        if is_secret(unquote(match["name"])):
            return f"{match['name']}={HIDDEN}"
        value = unquote(match["value"])
        if value != match["value"] and "=" in value:  # an address in an address
            if depth == _DEPTH:
                return f"{match['name']}={HIDDEN}"
            hidden = _PAIR.sub(lambda inner: self._hide_pair(inner, depth + 1), value)
            if hidden != value:
                return f"{match['name']}={quote(hidden, safe='/()')}"
        return match[0]


def _hide_password(match: re.Match[str]) -> str:
    return f"{match[1]}{HIDDEN}@"
