"""`Bodies`: request bodies that are bounded, whole, in memory, the same under every server. Works in any Bottle app:

    app = bottle.Bottle()
    app.install(Bodies(limit=1024 * 1024))

Bottle 0.13 keeps a body of more than 100 kB in a temporary file (a 500 where no disk is writable), decodes a chunked
body a second time where the server has decoded it already (a 400 under most servers), hands over a body that was cut
off, and answers a malformed form, JSON document or cookie with a 500. The request class below mends that for the apps
that `Bodies` is installed on; for every other app it is Bottle's own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from demijohn import lifetime
from demijohn.bodies.limits import OPTIONS, Limits
from demijohn.bodies.request import KEY as KEY
from demijohn.bodies.request import Request as Request
from demijohn.bodies.request import mend_request
from demijohn.errors import BodyLimitError

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none


class Bodies:
    """A Bottle plugin that limits what a request may send, and makes what it sent right.

    :param limit: the largest body, in bytes.
    :param memory: the largest body that is read into memory, in bytes. None: as large as any.
    :param part: the largest file in a form, in bytes. None: as large as the body.
    :param field: the longest text field in a form, in bytes, its name included.
    :param parts: the most fields and files in one form.
    :param timeout: seconds that a visitor is waited for, in all; beyond them the body must come at
    :param rate: so many bytes a second.

    A route sets its own with the options `body_limit`, `body_part`, ...: `@app.post("/picture", body_limit=10**7)`.
    What a `before_request` hook reads falls under those above.

    `request.body`, `.forms`, `.files` and `.json` hold the body in memory until the request ends; a form with files
    takes twice its size. `request.parts()` and `request.stream()` hand it out as it arrives, and keep nothing.

    A body is judged when a handler touches it, and refused by a `bottle.HTTPError`: 413 for what is over a limit, 400
    for what is malformed or was cut off, 408 for what comes too slowly.
    """

    name = "bodies"
    api = 2

    def __init__(
        self,
        limit: int = 4 * 1024**2,
        *,
        memory: int | None = None,
        part: int | None = None,
        field: int = 1024**2,
        parts: int = 1000,
        timeout: float = 30,
        rate: int = 4 * 1024,
    ) -> None:
        self.limits = Limits(limit, memory, part, field, parts, timeout, rate)
        #: Those that this is installed on.
        self.apps: list[Any] = []
        self._routes: dict[Any, Limits] = {}

    def limits_of(self, route: Any) -> Limits:
        """What a request by this route is held to."""
        try:
            return self._routes[route]
        except KeyError:
            return self._routes.setdefault(route, self.limits.of(route.config))

    def setup(self, app: Any) -> None:
        mend_request()
        vars(app)[KEY] = self
        lifetime.attach(app, self._mark)
        self.apps.append(app)
        if "waitress" in sys.modules:
            from demijohn.bodies import waitress

            waitress.mend(self)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        for name, option in OPTIONS.items():
            value = route.config.get(option, 0)
            if isinstance(value, bool) or not isinstance(value, _KINDS.get(name, int)) or value < 0:
                raise BodyLimitError(route.rule, option, value)
        return callback

    def close(self) -> None:
        for app in self.apps:
            lifetime.forget(app, self._mark)
            if vars(app).get(KEY) is self:
                del vars(app)[KEY]
        self.apps.clear()
        self._routes.clear()

    def _mark(self, environ: WSGIEnvironment) -> None:
        environ[KEY] = self


_KINDS: dict[str, Any] = {"timeout": (int, float)}
