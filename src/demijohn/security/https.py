"""`Https`: whoever comes over http is sent to https. Works in any Bottle app, behind `Proxies`:

app = bottle.Bottle()
app.install(Proxies(hops=1))
app.install(Https())
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bottle

from demijohn import lifetime
from demijohn.security.hosts import SPARED, is_host
from demijohn.security.proxies import CLAIMED, KNOWN

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: RFC 3986 section 3.3: what a path may hold as it is. What is escaped was decoded by the server.
_PATH = "/!$&'()*+,;=:@-._~"
_QUERY = _PATH + "?%"


class Https:
    """Redirects from http to https: 301 for GET and HEAD, 308 for what has a body (RFC 9110 sections 15.4.2, 15.4.9).

    It never goes round in circles: only where a trusted proxy, or the server before the site, has *said* that the
    visitor came over http is anybody redirected. Health checks and the challenges of those who issue certificates are
    not."""

    name = "https"
    api = 2

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self.open)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def open(self, environ: WSGIEnvironment) -> None:
        """:raises bottle.HTTPResponse: the redirection."""
        if environ.get("wsgi.url_scheme") != "http":
            return
        # Of nginx's and Apache's own word there may be more in front of them, which has taken the encryption off.
        if KNOWN in environ or ("REQUEST_SCHEME" in environ and CLAIMED not in environ):
            self._redirect(environ)

    def _redirect(self, environ: WSGIEnvironment) -> None:
        path = environ.get("PATH_INFO", "")
        host = environ.get("HTTP_HOST", "")
        if path.startswith(SPARED) or not is_host(host):
            return
        if '"https"' in environ.get("HTTP_CF_VISITOR", ""):
            return  # Cloudflare, told to speak http to the site: the visitor is on https already
        code = 301 if environ["REQUEST_METHOD"] in ("GET", "HEAD") else 308
        raise bottle.HTTPResponse("", code, Location=_https_address(environ, host, path))


def _https_address(environ: WSGIEnvironment, host: str, path: str) -> str:
    name = re.sub(r"(?<=.):\d*\Z", "", host)  # https is not on the port of http
    whole = (environ.get("SCRIPT_NAME", "") + path).encode("latin1", "replace")
    query = quote(environ.get("QUERY_STRING", ""), _QUERY, "latin1", "replace")
    return f"https://{name}{quote(whole, _PATH) or '/'}" + ("?" + query if query else "")
