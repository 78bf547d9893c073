"""Origins, `scheme://host:port` (RFC 6454), in one spelling each, so that they can be compared as texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

_PORTS = {"http": "80", "https": "443"}
#: No user and no path: browsers send neither, so what holds one was made by hand. Not compiled at boot.
_ORIGIN = r"(?i)([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/?#@\\:\[\]]+)(?::([0-9]{1,5}))?"


def normal(origin: str) -> str | None:
    """`https://Example.org` as `https://example.org:443`; None for `null` and for all that is no origin."""
    match = re.fullmatch(_ORIGIN, origin)
    if match is None:
        return None
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    return f"{scheme}://{host}:{int(port) if port else _PORTS.get(scheme, '')}"


def need(origin: str) -> str:
    """As `normal`; a slash at the end is forgiven.

    :raises ValueError: it is no origin.
    """
    found = normal(origin.removesuffix("/"))
    if found is None:
        raise ValueError(f"{origin!r} is not an origin, such as https://www.example.org.")
    return found


def of_url(url: str) -> str | None:
    """The origin of a URL, as a Referer holds it."""
    scheme, separator, rest = url.partition("://")
    return normal(scheme + separator + re.split(r"[/?#]", rest, maxsplit=1)[0])


def own(environ: WSGIEnvironment, scheme: str | None = None) -> str | None:
    """The origin that this request was sent to, by `scheme` or by what the server says that it came by."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return normal(f"{scheme or environ['wsgi.url_scheme']}://{host}")


def is_own(origin: str, environ: WSGIEnvironment) -> bool:
    """Whether `origin`, in its normal form, is the one that this request was sent to.

    Where the server says http, https will do as well: something in front of it has taken the encryption off without a
    word, and who speaks https for this host is this site. The other way round would let in whoever sits on the line.
    """
    scheme = origin.partition(":")[0]
    if scheme != environ["wsgi.url_scheme"] and scheme != "https":
        return False
    return origin == own(environ, scheme)
