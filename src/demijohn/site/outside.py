"""The parts that stand between visitors and the rest of a site, made of its settings and of its host's profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demijohn.config.rules import LOOPBACK
from demijohn.security.headers import Headers
from demijohn.security.hosts import Hosts
from demijohn.security.proxies import Proxies

if TYPE_CHECKING:
    from demijohn.config import Config
    from demijohn.security.https import Https


def make_proxies(settings: Config) -> Proxies:
    """Those of the host, unless the settings say others."""
    profile = settings.host.proxies
    hops, trusted = settings["proxies.hops"], settings["proxies.trusted"]
    counted = hops != "auto"  # then `trusted` says who hands in, and nobody is walked past
    return Proxies(
        hops=hops if counted else profile.hops,
        peers=(trusted or profile.peers) if counted else profile.peers,
        trusted=() if counted else trusted,
        client=settings["proxies.client"] or profile.client or "X-Forwarded-For",
        scheme=profile.scheme or "X-Forwarded-Proto",
        host=settings["proxies.host"] or "",
        own=profile.own,
    )


def make_hosts(settings: Config) -> Hosts:
    """In development the site is always served to this machine itself, and under any address: to the phone on the desk.
    Under other names only if they are set: another site's page can make a browser ask for this one under a name of its
    own (DNS rebinding), and would read errors with their sources; but under no address."""
    names = settings["security.hosts"]
    development = settings["environment"] == "development"
    return Hosts((*names, *LOOPBACK, ".localhost") if development else names, addresses=development)


def make_https(settings: Config) -> Https | None:
    """None where nobody is redirected."""
    if settings["security.https"] is not True:
        return None
    from demijohn.security.https import Https

    return Https()


def make_headers(settings: Config) -> Headers:
    """The safety headers, as the settings have them."""
    written: Any = settings["security.headers"]
    headers: Any = written is not False
    if written:
        pairs = (line.split(": ", 1) for line in written)
        headers = {name: None if value == "off" else value for name, value in pairs}
    return Headers(
        csp=settings["security.csp"],
        headers=headers,
        hsts=settings["security.hsts"],
        subdomains=settings["security.hsts_subdomains"],
    )
