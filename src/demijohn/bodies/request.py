"""Bottle's request, mended wherever it hands over what the visitor sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.bodies import content

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

    from bottle import BaseRequest as Mixin

    from demijohn.bodies import Bodies
    from demijohn.bodies.limits import Limits
    from demijohn.bodies.parts import Part
    from demijohn.bodies.wire import Incoming
else:
    # An object changes its class only for one of the same layout; BaseRequest, with its slot, would come in twice.
    Mixin = object

KEY = "demijohn.bodies"
INCOMING = "demijohn.bodies.incoming"
MULTIPART = "multipart/form-data"


def _rules(environ: WSGIEnvironment) -> Bodies | None:
    """What this request is held to. None: to nothing, it is Bottle's own.

    An app that was mounted or merged into another does not see its requests begin; its routes still know it."""
    route = environ.get("bottle.route")
    rules: Bodies | None = route and vars(route.app).get(KEY)
    return rules or environ.get(KEY)


class MendedRequest(Mixin):
    """Before Bottle's request among the bases, it mends each way to what the visitor sent."""

    __slots__ = ()

    def parts(self, limit: int | None = None) -> Iterator[Part]:
        """The fields and files of a multipart form, one after the other, as they arrive. Nothing of them is kept.

        :param limit: bytes of the whole body; by default the route's `body_limit`, else the setting `body.limit`.
        :raises HTTPError: 415 for what is no such form; in the loop 400 for one that is cut off or damaged, 413 for one
            beyond a limit, 408 for one that comes too slowly. Let it through, and what the handler wrote is rolled
            back; who swallows it has it for an answer all the same.
        :raises BodyStreamedError: they have been asked for before.
        """
        from demijohn.bodies.parts import parts

        if self._kind() != MULTIPART:
            raise bottle.HTTPError(415, f"A form is expected here whose enctype is {MULTIPART}.")
        incoming = self._stream("parts()", limit)
        return parts(incoming, self.environ["CONTENT_TYPE"], incoming.limits, incoming.refuse)

    def stream(self, limit: int | None = None) -> Iterator[bytes]:
        """The body as it arrives, in pieces of bytes, whatever it is. Nothing of it is kept.

        :param limit: bytes of the whole body; by default the route's `body_limit`, else the setting `body.limit`.
        :raises HTTPError: in the loop, as in `parts`.
        :raises BodyStreamedError: it has been asked for before.
        """
        return self._stream("stream()", limit)

    def leading_field(self, name: str) -> str | None:
        """The text of a multipart form's first part, if that is a field of this name. No more of the body is read, and
        whoever asks for the form after it, streamed or not, finds all of it."""
        from demijohn.bodies.parts import parts

        if self._kind() != MULTIPART:
            return None
        incoming = self._incoming()
        seen: list[bytes] = []

        def looked_at() -> Iterator[bytes]:
            for piece in incoming:
                seen.append(piece)
                yield piece

        try:
            for part in parts(looked_at(), self.environ["CONTENT_TYPE"], incoming.limits):
                return part.text() if part.name == name and part.filename is None else None
            return None
        finally:
            incoming.hold(seen)

    def _stream(self, what: str, limit: int | None) -> Incoming:
        incoming = self._incoming(what)
        incoming.streamed = True
        if limit is not None:
            incoming.most = limit
        participants = self.environ.get(lifetime.KEY)
        if participants is not None:
            lifetime.join(participants, _Streamed(incoming))
        return incoming

    def _incoming(self, what: str = "body") -> Incoming:
        """The body on its way, or once more out of memory where it has been read."""
        environ = self.environ
        incoming: Incoming | None = environ.get(INCOMING)
        source, kept = environ.get("wsgi.input"), environ.get("bottle.request.body")
        if source is not None and source is kept:
            kept.seek(0)
            incoming = None
        if incoming is None or incoming.stream is not source:
            from demijohn.bodies.wire import Incoming

            incoming = environ[INCOMING] = Incoming(environ, self._limits())
        if incoming.streamed:
            from demijohn.bodies.errors import BodyStreamedError

            raise BodyStreamedError(what)
        return incoming

    def _limits(self) -> Limits:
        rules = _rules(self.environ)
        if rules is None:
            raise RuntimeError("This request came in by an app that Bodies is not installed on.")
        route = self.environ.get("bottle.route")
        return rules.limits if route is None else rules.limits_of(route)

    def _read_body(self) -> Any:
        environ = self.environ
        if _rules(environ) is None:
            return super()._body
        from demijohn.bodies.wire import read

        body = read(self._incoming())
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
        from demijohn.bodies.wire import content_length

        length = content_length(self.environ)
        return -1 if length is None else length

    def _read_post(self) -> Any:
        if _rules(self.environ) is None:
            return super().POST
        body, kind = self.body.read(), self._kind()
        if kind == MULTIPART:
            return content.multipart(body, self.environ["CONTENT_TYPE"], self._limits())
        if kind in ("", "application/x-www-form-urlencoded"):
            return content.urlencoded(body, self._limits())
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


class _Streamed:
    """The participant by which what was wrong with a streamed body becomes the answer, also where the handler has
    swallowed it: half of a form is never kept as if it were the whole."""

    order = -10

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    def prepare(self, status: int) -> None:
        if status < 400:
            self._incoming.check()

    def settle(self, status: int, headers: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Request(MendedRequest, bottle.BaseRequest):
    """A request that is not the current one: what `request.copy()` returns."""

    __slots__ = ()


def mend_request() -> None:
    """Mend `bottle.request` itself: a single object for all threads, and every module has imported it by now."""
    kind = type(bottle.request)
    if not issubclass(kind, MendedRequest):
        mended = type(kind.__name__, (MendedRequest, kind), {"__slots__": (), "__module__": kind.__module__})
        object.__setattr__(bottle.request, "__class__", mended)  # Bottle's own __setattr__ would refuse
