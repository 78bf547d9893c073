"""Text that must not be seen: secrets whole, URLs without their passwords."""

from __future__ import annotations

import re

# Compiled when something is printed, not at boot.
_HIDDEN_IN_QUERY = r"(?i)([?&](?:\w*pass\w*|pwd|\w*token|\w*secret|\w*key)=)([^&#]*)"


class Secret(str):
    """A text that shows itself as a fingerprint. Its value is still that of the text: `str.encode`, `==`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Secret({fingerprint(self)})"


class Url(str):
    """A URL that shows itself without its password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__repr__(mask(self))


def fingerprint(text: str) -> str:
    """Enough of a hash to see whether two hosts have the same secret, too little to find it: `sha256:9f86`."""
    import hashlib

    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:4]


def mask(url: str) -> str:
    """`url` with a fingerprint in place of each password. What is not a URL is hidden whole, if it could hold one."""
    scheme, found, rest = url.partition("://")
    if not found:
        return f"({fingerprint(url)})" if "@" in url else url
    user, at, place = rest.rpartition("@")  # from the right: an unquoted @ is a part of the password
    name, colon, password = user.partition(":")
    if colon:
        user = f"{name}:({fingerprint(password)})"
    place = re.sub(_HIDDEN_IN_QUERY, lambda match: f"{match[1]}({fingerprint(match[2])})", place)
    return scheme + found + user + at + place
