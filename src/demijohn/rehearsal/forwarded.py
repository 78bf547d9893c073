"""The headers that a host's own proxies put in, and those that they take out."""

from __future__ import annotations

import re
import secrets
import time

from demijohn.hosts import Proxies
from demijohn.rehearsal.wire import Head

_FOR, _ID = "x-forwarded-for", "x-request-id"
#: Where there is more than one proxy, the others' addresses (RFC 5737).
_PROXY = "198.51.100.1"
#: App Engine's own, which no visitor can set.
_PRIVATE = ("x-appengine-", "x-google-")


def forwarded(request: Head, proxies: Proxies, visitor: str, port: int, scheme: str = "http") -> list[tuple[str, str]]:
    """The headers of `request` as the site gets them.

    Without proxies that add any, what the visitor has sent goes through, forged or not: some hosts do that. Else what
    they add takes the place of what was sent; only X-Forwarded-For is added to, as theirs is.

    :param port: the one that the visitor has connected to.
    """
    headers = request.for_next()
    if not proxies.hops:
        return headers
    before = [request.get(_FOR)] if request.get(_FOR) else []
    chain = [*before, visitor, *[_PROXY] * (proxies.hops - 1)]
    id = request.get(_ID) or ""
    added = {
        **({proxies.client: visitor} if proxies.client else {}),
        "X-Forwarded-For": ", ".join(map(str, chain)),
        **({proxies.scheme: scheme} if proxies.scheme else {}),
        "X-Forwarded-Port": str(port),
        # One that the visitor's own proxy has given is kept, if it looks like one.
        "X-Request-Id": id if re.fullmatch(r"[\w-]{20,200}", id) else secrets.token_hex(16),
        "X-Request-Start": str(int(time.time() * 1000)),
    }
    taken = {name.lower() for name in added}
    kept = [(name, value) for name, value in headers if name.lower() not in taken and not _private(name)]
    return [*kept, *added.items()]


def _private(name: str) -> bool:
    return name.lower().startswith(_PRIVATE)
