"""`Csrf`: no other site sends a form here in a visitor's name. Works in any Bottle app:

    app = bottle.Bottle()
    app.install(Csrf(["https://shop.example.org"]))  # whose pages may send here, too

Browsers say where a request comes from, and a page cannot make them say anything else. For each request that may change
something (all but GET, HEAD, OPTIONS and TRACE) the first of these that is there decides:

1. `Sec-Fetch-Site`, which every browser sends to https since March 2023: `same-origin`, or `none` for what the visitor
   typed or opened by a bookmark. All else is another site's, a subdomain's too.
2. `Origin`: the same scheme, host and port.
3. `Referer`: its origin is.
4. A token, and only where the visitor has a session: without one a foreign form can do nothing that its sender could
   not do as well. Programs that send none of the three and no cookie, as webhooks do, pass.

A token never outweighs what a browser has said. So it need not differ from page to page to be safe where answers are
compressed (the BREACH attack reads a secret out of their lengths): whoever has read it can send it only by a browser
that says where the form comes from.
"""

from __future__ import annotations

import hmac
import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import bottle

from demijohn.security import origins

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("demijohn.security")

#: The token's name in forms and in the query, and the header of scripts.
FIELD, HEADER = "csrf", "X-CSRF-Token"
#: Where the part is noted that reads bodies piece by piece.
_BODIES = "demijohn.bodies"
#: What changes nothing (RFC 9110 section 9.2.1).
SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))

_FOREIGN = (
    "This form came from a page of another site, so nothing was done with it. If it was you: open this site itself, "
    "and do it from there."
)
_STALE = "This page was open too long, so nothing was done. Please go back, reload the page, and send the form again."


class Csrf:
    """A Bottle plugin that refuses, with 403, requests which another site's page has sent. A GET costs nothing.

    :param trusted: other origins whose pages may send here: `https://www.example.org`.
    :param secrets: sign the tokens; the newest first, which signs, and all are believed. None: there are no tokens, and
        who has a session and does not say where they come from is refused.
    :param session: tells the id of the session of the request with this environ; None where the visitor has none, or
        one that nothing is kept in.
    :param explain: say in the answer what the site's author can do.

    :raises ValueError: one of `trusted` is no origin.

    A route of programs, which sign what they send in some other way, says `csrf=False`.
    """

    name = "csrf"
    api = 2

    def __init__(
        self,
        trusted: Iterable[str] = (),
        *,
        secrets: Sequence[str] = (),
        session: Callable[[WSGIEnvironment], str | None] | None = None,
        explain: bool = False,
    ) -> None:
        self._trusted = {origins.need(origin) for origin in trusted}
        self._keys = [b"demijohn csrf token " + secret.encode() for secret in secrets]
        self._session = session or (lambda environ: None)
        self._explain = explain

    def setup(self, app: Any) -> None:
        """Nothing to prepare."""

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        wanted = route.config.get("csrf", True)
        if not isinstance(wanted, bool):
            from demijohn.security.errors import CsrfOptionError

            raise CsrfOptionError(route.rule, wanted)
        if not wanted or route.method in SAFE:
            return callback
        return self.guard_callback(callback, read_body=True)

    def guard_callback(self, callback: Callable[..., Any], read_body: bool = False) -> Callable[..., Any]:
        """A handler that asks whether a request is let in: of a route past which plugins are skipped."""
        request, check = bottle.request, self.check

        def with_check(*args: Any, **kwargs: Any) -> Any:
            check(request.environ, read_body)
            return callback(*args, **kwargs)

        return with_check

    def guard(self, application: WSGIApplication) -> WSGIApplication:
        """A WSGI application that asks nobody but this whether a request is let in: to be mounted."""

        def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self.check(environ, read_body=False)  # the body is the application's, and can be read once
            return application(environ, start_response)

        return guarded

    def close(self) -> None:
        """Nothing to close."""

    def check(self, environ: WSGIEnvironment, read_body: bool = True) -> None:
        """Raise the answer to a request that another site has sent, a `bottle.HTTPError` of status 403.

        :param read_body: look for the token in the form, too.
        """
        if environ["REQUEST_METHOD"] in SAFE:
            return
        said = environ.get("HTTP_SEC_FETCH_SITE")
        if said == "same-origin":
            return
        origin, referer = environ.get("HTTP_ORIGIN"), environ.get("HTTP_REFERER")
        if said:
            if said != "none" and origins.normal(origin or "") not in self._trusted:
                self._refuse(environ, "another site", f"Sec-Fetch-Site: {said}, Origin: {origin}", _FOREIGN)
        elif origin:
            if not self._is_welcome(origins.normal(origin), environ):
                self._refuse(environ, "another site", f"Origin: {origin}", _FOREIGN)
        elif referer:
            if not self._is_welcome(origins.of_url(referer), environ):
                self._refuse(environ, "another site", f"Referer: {origins.of_url(referer)}", _FOREIGN)
        else:
            self._check_token(environ, read_body)

    def token(self, environ: WSGIEnvironment) -> str:
        """The token of this visitor's session: 32 characters; empty where there is no session, and none is begun."""
        id = self._session(environ) if self._keys else None
        return "" if id is None else _mark(self._keys[0], id)

    def _is_welcome(self, origin: str | None, environ: WSGIEnvironment) -> bool:
        return origin is not None and (origin in self._trusted or origins.is_own(origin, environ))

    def _check_token(self, environ: WSGIEnvironment, read_body: bool) -> None:
        id = self._session(environ)
        if id is None:
            return
        given = _given(environ, read_body).encode("utf-8", "replace")
        if not given:
            self._refuse(environ, "no token", "no Sec-Fetch-Site, no Origin, no Referer and no token", _STALE)
        if not any(hmac.compare_digest(_mark(key, id).encode(), given) for key in self._keys):
            self._refuse(environ, "another token", "the token of another session, or of a secret that is gone", _STALE)

    def _refuse(self, environ: WSGIEnvironment, why: str, said: str, sentence: str) -> None:
        from demijohn.security.errors import CsrfRefusedError

        error = CsrfRefusedError(
            environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), why, said, origins.own(environ)
        )
        log.warning("%s", error)
        raise bottle.HTTPError(403, f"{sentence} {error}" if self._explain else sentence, error)


class Field:
    """`{{ csrf }}` in a template: the hidden field with the token; nothing for a visitor who has no session and needs
    none; in a form with files it stands first. `{{ csrf.token }}` is the bare token, for the header of scripts;
    `{{ csrf.query }}`, `csrf=...`, goes into the address where neither can be."""

    def __init__(self, csrf: Csrf) -> None:
        self._csrf = csrf

    @property
    def token(self) -> str:
        return self._csrf.token(bottle.request.environ)

    @property
    def query(self) -> str:
        token = self.token
        return urlencode({FIELD: token}) if token else ""

    def __html__(self) -> str:
        token = self.token  # of letters, digits, - and _: nothing to escape
        return f'<input type="hidden" name="{FIELD}" value="{token}">' if token else ""

    __str__ = __html__


def _mark(key: bytes, id: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, id.encode(), "sha256")[:24]).decode()  # 192 bits: no padding


def _given(environ: WSGIEnvironment, read_body: bool) -> str:
    """The token that came with the request: in the header, in the address, or in the form. Of a form with files its
    first field only, where that can be told apart: a handler may want the rest as it arrives."""
    header: str | None = environ.get("HTTP_X_CSRF_TOKEN")
    if header:
        return header
    request = bottle.request
    asked: str | None = request.query.get(FIELD)
    kind = (environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if asked or not read_body or kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return asked or ""
    if kind == "multipart/form-data" and _BODIES in environ:
        return request.leading_field(FIELD) or ""
    found = request.forms.get(FIELD, "")
    environ["wsgi.input"].seek(0)  # for a handler that reads it by itself
    return found if isinstance(found, str) else ""
