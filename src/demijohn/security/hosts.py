"""`Hosts`: under which names the site is served. Works in any Bottle app:

    app = bottle.Bottle()
    app.install(Hosts(["example.org", ".example.org"]))

What comes as Host goes into absolute addresses, and from there into mails and caches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.security.forwarded import read_address

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: host[:port] of RFC 9110 section 7.2, with the characters that names in DNS, on machines and in containers have. There
#: is no `%` and nothing that is not ASCII: browsers send neither.
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
#: Names that are remembered as good, so that most requests cost one look.
_MOST = 1024
#: What is asked by those who know a machine by its address alone, and by those who issue certificates (RFC 8555).
SPARED = ("/_health/", "/.well-known/acme-challenge/")


def is_host(value: str) -> bool:
    """Whether `value` is a host, with or without a port."""
    if _HOST.match(value) is None or ".." in value:
        return False
    port = value.rpartition(":")[2] if not value.endswith("]") and ":" in value else ""
    return not port or int(port) < 65536


class Hosts:
    """Refuses a Host that is none (400), and one that the site is not served under (421).

    :param allowed: `example.org`, with any port; `example.org:8080`; `.example.org`, which it is itself and all names
        below it. Empty: any host that is one.
    :param addresses: whether it is served under any IP address as well.
    """

    name = "hosts"
    api = 2

    def __init__(self, allowed: Sequence[str] = (), *, addresses: bool = False) -> None:
        self.allowed = tuple(name.lower() for name in allowed)
        self._addresses = addresses
        self._good: set[str | None] = set()

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self.open)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def open(self, environ: WSGIEnvironment) -> None:
        """:raises bottle.HTTPError: the host is refused."""
        host = environ.get("HTTP_HOST")
        if host not in self._good:
            self._look(environ, host)

    def _look(self, environ: WSGIEnvironment, host: str | None) -> None:
        if environ.get("PATH_INFO", "").startswith(SPARED):
            return
        if host is None:
            if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":  # before names were sent; Bottle takes SERVER_NAME
                return
            raise bottle.HTTPError(400, "The request does not say for which site it is: it has no Host header.")
        if not is_host(host):
            raise bottle.HTTPError(400, "The Host header does not hold the name of a site.")
        if not self.is_allowed(host):
            sentence = f"There is no site called {host} here."
            if self._addresses:
                sentence += " It is served under localhost, addresses and the names in security.hosts."
            raise bottle.HTTPError(421, sentence)
        if len(self._good) < _MOST:
            self._good.add(host)

    def is_allowed(self, host: str) -> bool:
        """Whether the site is served under `host`, which is well-formed."""
        if not self.allowed or (self._addresses and read_address(host) is not None):
            return True
        host = host.lower()
        name = host if host.endswith("]") else re.sub(r":\d*\Z", "", host)
        port = host[len(name) :]
        name = name.removesuffix(".")
        return any(
            name == one or name + port == one or (one.startswith(".") and (name == one[1:] or name.endswith(one)))
            for one in self.allowed
        )
