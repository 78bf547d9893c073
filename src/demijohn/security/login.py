"""`login_required`: pages for those who are signed in.

@site.get("/account")
@login_required
def account(session): ...

Whoever is not signed in is sent to the page for signing in, with the way back in the field `next`; a program, a script
and who sends a form get 401. In a plain Bottle app: `app.install(Sessions(...)); app.install(Login("/sign-in"))`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import bottle

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

    Handler = TypeVar("Handler", bound=Callable[..., Any])

KEY = "demijohn.login"
#: On a function that is for those who are signed in, and on one that sees to it itself.
_WANTED, _GUARDED = "_demijohn_login_required", "_demijohn_login_guarded"
_SENTENCE = "You are not signed in, or not any more. Please sign in, then do this again."


def login_required(handler: Handler) -> Handler:
    """A handler for those who are signed in. May stand above the route's decorator, too."""

    @functools.wraps(handler)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _login_of_request().check(bottle.request.environ)
        return handler(*args, **kwargs)

    setattr(guarded, _GUARDED, True)
    for function in (handler, guarded):
        with contextlib.suppress(AttributeError):  # a method takes no attributes, but `guarded` does
            setattr(function, _WANTED, True)
    return guarded  # type: ignore[return-value]


class Login:
    """A Bottle plugin that knows where one signs in.

    :param address: the name of the route with the page for signing in, or its path.
    :param user: tells who is signed in from the environ of a request; None: nobody.
    """

    name = "login"
    api = 2

    def __init__(self, address: str = "sign-in", user: Callable[[WSGIEnvironment], Any] | None = None) -> None:
        self._address = address
        self._user = user or (lambda environ: environ["beaker.session"].user)
        self._app: Any = None

    def setup(self, app: Any) -> None:
        vars(app)[KEY] = self
        if self._app is None:  # an app that is mounted in it later has not the page
            self._app = app

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        handler = route.callback
        if not getattr(handler, _WANTED, False) or getattr(handler, _GUARDED, False):
            return callback

        def guarded(*args: Any, **kwargs: Any) -> Any:  # the decorators stand the wrong way round
            self.check(bottle.request.environ)
            return callback(*args, **kwargs)

        return guarded

    def close(self) -> None:
        """Nothing to close."""

    def check(self, environ: WSGIEnvironment) -> None:
        """Raise the answer for a visitor who is not signed in, a `bottle.HTTPResponse`."""
        if self._user(environ) is not None:
            return
        if _is_page(environ):
            bottle.redirect(self.url(_asked(environ)))
        scheme = f'Cookie form-action="{self.url()}"'  # a 401 must say how (RFC 9110 section 15.5.2)
        raise bottle.HTTPError(401, _SENTENCE, www_authenticate=scheme)

    def url(self, next: str = "") -> str:
        """Where one signs in, and goes on to `next` from there."""
        query = {"next": next} if next else {}
        if self._address.startswith("/"):
            return f"{self._address}?{urlencode(query)}" if query else self._address
        try:
            return self._app.get_url(self._address, **query)  # type: ignore[no-any-return]
        except bottle.RouteBuildError:
            from demijohn.security.errors import LoginAddressError

            raise LoginAddressError(self._address) from None


def _login_of_request() -> Login:
    route = bottle.request.environ.get("bottle.route")
    found: Login | None = None if route is None else vars(route.app).get(KEY)
    if found is None:
        from demijohn.security.errors import NoLoginError

        raise NoLoginError()
    return found


def _is_page(environ: WSGIEnvironment) -> bool:
    """Whether somebody looks at the answer who can sign in and come back."""
    accept = environ.get("HTTP_ACCEPT", "")
    return (
        environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and ("text/html" in accept or "json" not in accept)
        and environ.get("HTTP_SEC_FETCH_MODE", "navigate") == "navigate"
        and environ.get("HTTP_X_REQUESTED_WITH") != "XMLHttpRequest"
    )


def _asked(environ: WSGIEnvironment) -> str:
    """The path that was asked for, with its query; nothing if one cannot be sent back there."""
    from demijohn.security.redirects import safe_path

    path = quote(bottle.request.fullpath, safe="/:@!$&'()*+,;=~")
    query = environ.get("QUERY_STRING")
    return safe_path(f"{path}?{query}" if query else path, "")
