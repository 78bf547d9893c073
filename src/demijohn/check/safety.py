"""S119 and S120: safety that is switched off, or that does nothing where the site stands."""

from __future__ import annotations

from collections.abc import Iterator

from demijohn.check.subject import Subject
from demijohn.config import csp
from demijohn.findings import Finding

#: Sources with which a page runs whatever somebody has smuggled into it.
_ANYTHING = frozenset(("'unsafe-inline'", "'unsafe-eval'", "data:", "http:", "https:", "*"))


def check(subject: Subject) -> Iterator[Finding]:
    yield from _policy(subject)
    yield from _https(subject)


def _policy(subject: Subject) -> Iterator[Finding]:
    policy = csp.read(subject.settings["security.csp"])
    if policy is None:
        message = "security.csp is off: a script that gets into a page, by a forgotten escape, runs there."
        fix = "Say what the pages need instead, by directive; a route that can have no policy says csp=False."
    elif found := _ANYTHING.intersection(policy.get("script-src", ())):
        message = f"security.csp lets pages run {' '.join(sorted(found))}: a script that gets into one runs there."
        fix = 'Name the scripts\' own addresses, and write <script nonce="{{ nonce }}"> where one stands in the page.'
    else:
        return
    path, line = subject.settings.place("security.csp")
    yield Finding("S119", path, line, message, fix, "warning")


def _https(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    hops = settings["proxies.hops"]
    believed = subject.host.proxies.hops if hops == "auto" else hops
    if settings.is_written("security.https") and settings["security.https"] is True and not believed:
        if settings["proxies.trusted"] or subject.host.port is None:
            return
        message = (
            "security.https is true, but no proxy is believed that could say over what a visitor came: nobody is sent "
            "to https."
        )
        fix = "Say in proxies.hops how many proxies stand before the site, or let the proxy redirect."
        path, line = subject.settings.place("security.https")
        yield Finding("S120", path, line, message, fix, "warning")
