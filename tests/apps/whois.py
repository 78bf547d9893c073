"""Says who is asking, over what and for which name, as a handler, Bottle and the environ know it."""

from __future__ import annotations

import os
from typing import Any

import bottle

from demijohn import Site

#: What would be left of headers that only proxies may write.
WORDS = ("FORWARDED", "APPENGINE", "GOOGLE", "REAL_IP", "CLIENT_IP", "CONNECTING_IP", "TRACE_CONTEXT", "HTTP_FLY")


def make(**settings: Any) -> Site:
    """A site of the host in DEMIJOHN_HOST, without a database."""
    told = {"secret": "a-secret-of-the-tests-alone", "database.url": "", "security.https": False}
    site = Site(os.path.dirname(os.path.abspath(__file__)), {**told, **settings})
    site.get("/who", callback=who)
    return site


def who() -> dict[str, Any]:
    environ, request = bottle.request.environ, bottle.request
    return {
        "address": environ.get("REMOTE_ADDR"),
        "scheme": environ["wsgi.url_scheme"],
        "host": environ.get("HTTP_HOST"),
        "bottle's address": request.remote_addr,
        "bottle's route": request.remote_route,
        "bottle's url": request.url,
        "left": {name: value for name, value in environ.items() if any(word in name for word in WORDS)},
    }


if __name__ != "__main__" and os.environ.get("WHOIS"):
    app = make()
