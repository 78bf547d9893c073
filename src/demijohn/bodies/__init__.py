"""`Bodies`: request bodies that are bounded, whole, in memory, the same under every server. Works in any Bottle app:

    app = bottle.Bottle()
    app.install(Bodies(limit=1024 * 1024))

Bottle 0.13 keeps a body of more than 100 kB in a temporary file (a 500 where no disk is writable), decodes a chunked
body a second time where the server has decoded it already (a 400 under most servers), hands over a body that was cut
off, and answers a malformed form, JSON document or cookie with a 500. The request class below mends that for the apps
that `Bodies` is installed on; for every other app it is Bottle's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.bodies import content, wire
from demijohn.errors import BodyLimitError

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

    from bottle import BaseRequest as Mixin
else:
    # An object changes its class only for one of the same layout; BaseRequest, with its slot, would come in twice.
    Mixin = object

KEY = "demijohn.bodies"
FAILED = "demijohn.bodies.failed"


class Bodies:
    """A Bottle plugin that limits what a request may send, and makes what it sent right.

    :param limit: the largest body, in bytes. A body stays in memory until its request ends; a form with files takes
        twice its size. A route sets its own with the option `body_limit`: `@app.post("/picture", body_limit=10**7)`.
        What a `before_request` hook reads falls under `limit`.
    :param fields: the most fields and files in one form.

    A body is judged when a handler touches it, and refused by a `bottle.HTTPError`: 413 for what is over a limit, 400
    for what is malformed or was cut off.
    """

    name = "bodies"
    api = 2

    def __init__(self, limit: int = 4 * 1024 * 1024, fields: int = 1000) -> None:
        self.limit = limit
        self.fields = fields
        self._apps: list[Any] = []

    def setup(self, app: Any) -> None:
        _swap()
        vars(app)[KEY] = self
        lifetime.attach(app, self._mark)
        self._apps.append(app)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        limit = route.config.get("body_limit", 0)
        if not isinstance(limit, int) or limit < 0:
            raise BodyLimitError(route.rule, limit)
        return callback

    def close(self) -> None:
        for app in self._apps:
            lifetime.forget(app, self._mark)
            if vars(app).get(KEY) is self:
                del vars(app)[KEY]
        self._apps.clear()

    def _mark(self, environ: WSGIEnvironment) -> None:
        environ[KEY] = self


def _rules(environ: WSGIEnvironment) -> Bodies | None:
    """What this request is held to. None: to nothing, it is Bottle's own.

    An app that was mounted or merged into another does not see its requests begin; its routes still know it."""
    route = environ.get("bottle.route")
    rules: Bodies | None = route and vars(route.app).get(KEY)
    return rules or environ.get(KEY)


class MendedRequest(Mixin):
    """Before Bottle's request among the bases, it mends each way to what the visitor sent."""

    __slots__ = ()

    def _read_body(self) -> Any:
        environ = self.environ
        rules = _rules(environ)
        if rules is None:
            return super()._body
        stream = environ.get("wsgi.input")
        if FAILED in environ and environ[FAILED][0] is stream:
            # Who swallowed the refusal and asks again must not be handed the rest of a body as if it were the whole.
            raise bottle.HTTPError(*environ[FAILED][1:])
        route = environ.get("bottle.route")
        limit = rules.limit if route is None else route.config.get("body_limit", rules.limit)
        try:
            body = wire.read(environ, limit)
        except bottle.HTTPError as error:
            environ[FAILED] = (stream, error.status_code, error.body)
            raise
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(body.getbuffer().nbytes)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return body

    def _get_body_string(self, maxread: int) -> bytes:
        if _rules(self.environ) is None:
            return super()._get_body_string(maxread)  # type: ignore[no-any-return]
        return self.body.read()  # type: ignore[no-any-return]

    @property
    def content_length(self) -> int:
        """The length of the body in bytes, as the visitor declares it until the body is read; -1 for none."""
        if _rules(self.environ) is None:
            return super().content_length  # type: ignore[no-any-return]
        length = wire.content_length(self.environ)
        return -1 if length is None else length

    def _read_post(self) -> Any:
        rules = _rules(self.environ)
        if rules is None:
            return super().POST
        body, kind = self.body.read(), self._kind()
        if kind == "multipart/form-data":
            return content.multipart(body, self.environ["CONTENT_TYPE"], rules.fields)
        if kind in ("", "application/x-www-form-urlencoded"):
            return content.urlencoded(body, rules.fields)
        return bottle.FormsDict()  # Bottle takes all else apart at & and = as well, a picture or JSON

    def _read_json(self) -> Any:
        if _rules(self.environ) is None:
            return super().json
        if self._kind() not in ("application/json", "application/json-rpc"):
            return None
        body = self.body.read()
        return content.json(body) if body else None

    def _kind(self) -> str:
        kind: str = self.environ.get("CONTENT_TYPE") or ""
        return kind.partition(";")[0].strip().lower()

    def _read_query(self) -> Any:
        if _rules(self.environ) is None:
            return super().query
        query = self.environ["bottle.get"] = content.Fields()
        for name, value in content.pairs(self.environ.get("QUERY_STRING") or ""):
            query[name] = value
        return query

    def _read_params(self) -> Any:
        if _rules(self.environ) is None:
            return super().params
        params, query, forms = content.Fields(), self.query, self.forms
        if not forms.recode_unicode:  # a multipart form is text already; Bottle would decode it once more
            params.recode_unicode = False
            query = query.decode()
        for source in (query, forms):
            for name, value in source.allitems():
                params[name] = value
        return params

    def _read_cookies(self) -> Any:
        if _rules(self.environ) is None:
            return super().cookies
        return content.cookies(self.environ.get("HTTP_COOKIE") or "")

    def copy(self) -> Any:
        """A request over a shallow copy of the environ."""
        return Request(self.environ.copy())

    _body = bottle.DictProperty("environ", "bottle.request.body", read_only=True)(_read_body)
    POST = bottle.DictProperty("environ", "bottle.request.post", read_only=True)(_read_post)
    json = bottle.DictProperty("environ", "bottle.request.json", read_only=True)(_read_json)
    query = GET = bottle.DictProperty("environ", "bottle.request.query", read_only=True)(_read_query)
    params = bottle.DictProperty("environ", "bottle.request.params", read_only=True)(_read_params)
    cookies = bottle.DictProperty("environ", "bottle.request.cookies", read_only=True)(_read_cookies)


class Request(MendedRequest, bottle.BaseRequest):
    """A request that is not the current one: what `request.copy()` returns."""

    __slots__ = ()


def _swap() -> None:
    """Mend `bottle.request` itself: a single object for all threads, and every module has imported it by now."""
    kind = type(bottle.request)
    if not issubclass(kind, MendedRequest):
        mended = type(kind.__name__, (MendedRequest, kind), {"__slots__": (), "__module__": kind.__module__})
        object.__setattr__(bottle.request, "__class__", mended)  # Bottle's own __setattr__ would refuse
