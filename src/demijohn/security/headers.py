"""`Headers`: the headers that tell browsers what not to do with an answer. Works in any Bottle app:

    app = bottle.Bottle()
    headers = app.install(Headers(csp={"img-src": "https://images.example.org"}))

    @app.get("/map", csp={"script-src": "https://maps.example.org"})
    def map(): ...

What a handler sets itself is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.security.csp import DEFAULT, NONCE, Nonce, Policy

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

CSP, HSTS, FRAMES = "Content-Security-Policy", "Strict-Transport-Security", "X-Frame-Options"
#: Sent with every answer, over http as well.
PLAIN: dict[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    FRAMES: "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Over https. Over http browsers ignore it, and say so in the console as if it were an error.
SECURE: dict[str, str] = {"Cross-Origin-Opener-Policy": "same-origin"}
#: Seconds: a year.
YEAR = 31_536_000
POLICY = "demijohn.csp"


class Headers:
    """Adds them to every answer: pages, errors, static files, 304.

    :param csp: what is added to the Content-Security-Policy, by directive; False: none is sent. A route has its own:
        `csp={...}` adds to this one, `csp=False` sends none.
    :param headers: other values for these headers, or further headers; None as a value: it is not sent. False: only
        what `csp` and `hsts` say.
    :param hsts: seconds for which a browser that has come by https comes by nothing else; 0: it is not told so.
    :param subdomains: whether that goes for all names below the site's as well.
    :raises ValueError: the policy is none.
    """

    name = "headers"
    api = 2

    def __init__(
        self,
        *,
        csp: Mapping[str, Any] | str | bool = True,
        headers: Mapping[str, str | None] | bool = True,
        hsts: int = YEAR,
        subdomains: bool = False,
    ) -> None:
        self.policy = Policy(DEFAULT).extended({} if csp is True else csp)
        #: For templates: `<script nonce="{{ nonce }}">`.
        self.nonce = Nonce()
        plain = {**PLAIN, **_frames(self.policy)} if headers is not False else {}
        secure = dict(SECURE) if headers is not False else {}
        if isinstance(headers, Mapping):
            for name, value in headers.items():
                known = next((one for one in (*PLAIN, *SECURE) if one.lower() == name.lower()), name)
                (secure if known in SECURE else plain)[known] = value or ""
        if hsts:
            secure[HSTS] = f"max-age={hsts}" + ("; includeSubDomains" if subdomains else "")
        policy = {CSP: self.policy.text}
        self._http = _pairs({**policy, **plain})
        self._https = _pairs({**policy, **plain, **secure})
        self._names = frozenset(spelt for name, _ in self._https for spelt in (name, name.title(), name.lower()))

    def setup(self, app: Any) -> None:
        lifetime.attach(app, finisher=self.finish)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        policy = self._policy_of(route)
        if policy is None:
            return callback
        request = bottle.request

        def with_policy(*args: Any, **kwargs: Any) -> Any:
            request.environ[POLICY] = policy
            return callback(*args, **kwargs)

        return with_policy

    def _policy_of(self, route: Any) -> Policy | None:
        # Bottle takes a mapping among a route's options apart: csp={"img-src": ...} is there as csp.img-src.
        config = route.config
        added = {key[4:]: config[key] for key in config if key.startswith("csp.")}
        value = added or config.get("csp")
        if value is None or value is True:
            return None
        try:
            return self.policy.extended(value)
        except ValueError as error:
            raise ValueError(f"csp of the route {route.rule}: {error or 'is not a policy'}") from None

    def finish(self, environ: WSGIEnvironment, status: int, headers: lifetime.Headers) -> None:
        """Add them to `headers`."""
        added = self._https if environ.get("wsgi.url_scheme") == "https" else self._http
        if POLICY in environ or NONCE in environ:
            self._finish_own(environ, headers, added)
            return
        names = self._names
        for name, _ in headers:
            if name in names:
                headers += _without(added, headers)
                return
        headers += added

    def _finish_own(
        self, environ: WSGIEnvironment, headers: lifetime.Headers, added: tuple[tuple[str, str], ...]
    ) -> None:
        """With a policy of the route's, or a nonce of the page's."""
        policy: Policy = environ.get(POLICY, self.policy)
        nonce = environ.get(NONCE)
        text = policy.with_nonce(nonce) if nonce and policy.text else policy.text
        own = [(CSP, text)] if text else []
        headers += _without((*own, *(pair for pair in added if pair[0] != CSP)), headers)
        if nonce:
            # Kept and sent again, the nonce would be one that others know beforehand.
            dropped = ("cache-control", "etag", "last-modified", "expires")
            headers[:] = [pair for pair in headers if pair[0].lower() not in dropped]
            headers.append(("Cache-Control", "no-store"))


def _frames(policy: Policy) -> dict[str, str]:
    """X-Frame-Options, for browsers that do not know `frame-ancestors`, must say the same, or nothing."""
    ancestors = " ".join((policy.directives or {}).get("frame-ancestors", ("'none'",)))
    return {FRAMES: {"'none'": "DENY", "'self'": "SAMEORIGIN"}.get(ancestors, "")}


def _pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers.items() if value)


def _without(added: tuple[tuple[str, str], ...], headers: lifetime.Headers) -> list[tuple[str, str]]:
    """Those that nobody has set."""
    present = {name.lower() for name, _ in headers}
    return [pair for pair in added if pair[0].lower() not in present]
