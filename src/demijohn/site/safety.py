"""Who may do what, as the settings say: forged requests, sign-in, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bottle

from demijohn.security.csrf import Csrf
from demijohn.security.limits import Limits
from demijohn.security.login import Login
from demijohn.sessions.request import refusal

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

    from demijohn.security.throttle import Throttle
    from demijohn.site import Site

_UNKNOWN = "It cannot be told right now whether you are signed in, because that is kept where nothing answers. " + (
    "Please try again in a moment."
)


def make_csrf(site: Site) -> Csrf:
    def session_id(environ: WSGIEnvironment) -> str | None:
        session = site.sessions.open(environ)
        if not session.known():
            return None
        # A session that begins in this request goes on under this id. One that has run out is nobody's.
        return session.id if not session.is_new or session.changed else None

    settings = site.settings
    return Csrf(
        settings["security.origins"],
        secrets=settings["secret"] if settings["security.csrf"] else (),
        session=session_id,
        explain=site.development,
    )


def make_login(site: Site) -> Login:
    def user(environ: WSGIEnvironment) -> Any:
        session = site.sessions.open(environ)
        found = session.user
        if found is None and session.known() and session.unavailable is not None:
            raise refusal(_UNKNOWN, session.unavailable)  # who has not been signed out must not be told so
        return found

    return Login(site.settings["security.login"], user)


def make_limits(site: Site) -> Limits:
    return Limits(lambda: site.shared, on=site.settings["security.throttle"], local=site.development)


def make_throttle(site: Site) -> Throttle:
    """Called at the first attempt to sign in."""
    from demijohn.security.throttle import Throttle

    return Throttle(
        lambda: site.shared,
        secret=site.settings["secret"][0],
        tries=site.settings["security.tries"],
        on=site.settings["security.throttle"],
        local=site.development,
    )


def install_safety(site: Site) -> None:
    """Before the database and the session: a request that is refused asks neither."""
    site.csrf = make_csrf(site)
    if site.settings["security.csrf"]:
        site.install(site.csrf)
    site.limits = site.install(make_limits(site))
    site.login = site.install(make_login(site))
    if not site.settings.host.threads:
        from demijohn.security.crunching import start_no_threads

        start_no_threads()


def share_safety(site: Site, app: bottle.Bottle, csrf: bool) -> None:
    """Have a Bottle app that is mounted in the site, or whose routes are merged into it, held to the same."""
    for part in (site.csrf, site.limits, site.login):
        if part not in app.plugins and (part is not site.csrf or (csrf and site.settings["security.csrf"])):
            app.install(part)
    if csrf and site.settings["security.csrf"]:
        for route in app.routes:
            target = route.config.get("mountpoint.target")
            if target is not None and not isinstance(target, bottle.Bottle):
                _guard_mountpoint(site.csrf, route)


def apps_in(app: bottle.Bottle) -> list[bottle.Bottle]:
    """This app, those that are mounted in it, and in those. One that has parts of its own sees to itself."""
    found: list[bottle.Bottle] = []
    waiting = [app]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, bottle.Bottle) or one in found or getattr(one, "_cased", False):
            continue
        found.append(one)
        for route in one.routes:
            waiting += route.app, route.config.get("mountpoint.target")
    return found


def _guard_mountpoint(csrf: Csrf, route: Any) -> None:
    """Bottle mounts a WSGI application past all plugins."""
    if route.config.get("csrf", True) and not getattr(route.callback, "guarded", False):
        route.callback = csrf.guard_callback(route.callback)
        route.callback.guarded = True
        route.reset()
