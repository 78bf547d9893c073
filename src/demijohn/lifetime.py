"""The two moments of a request for which Bottle has no hook: just before the first byte, and when the body is closed.

A part that keeps something for the length of a request (a database session, a user's session) joins the request.
Before the first byte goes out it is asked to settle: to keep its work, or to drop it where the request failed. When
the body is closed, by the end of the request, by an error or by a visitor who hangs up, it is closed.

Bottle decides the status in `Bottle._cast` (a generator's first piece, an error page) and sends it in the next line, so
`Bottle.wsgi` is replaced as a whole; `_handle` and `_cast` stay Bottle's own.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import bottle

from demijohn.forks import renew

if TYPE_CHECKING:  # Python 3.10 has no wsgiref.types
    from wsgiref.types import StartResponse, WSGIEnvironment

KEY = "demijohn.lifetime"
Headers = list[tuple[str, str]]
Opener = Callable[["WSGIEnvironment"], None]
Finisher = Callable[["WSGIEnvironment", int, Headers], None]
log = logging.getLogger("demijohn")


class Participant(Protocol):
    """What joins a request. `order`: who settles first (the database, 0, before the session, 10)."""

    order: int

    def prepare(self, status: int) -> None:
        """Raise what would make `settle` fail, as far as that can be known without doing it: once one participant has
        kept its work it is too late for another to find that it cannot."""

    def settle(self, status: int, headers: Headers | None) -> None:
        """Keep the work or drop it, as `status` asks: the answer's, or the error's where an error page softened it.
        Called once before the first byte, with the headers that may be added to, and once more with None at the end
        of a body that was streamed to its end. What it raises becomes the answer: an `HTTPError` as it is, anything
        else a 500; those who come after are then asked to settle for that status."""

    def close(self) -> None:
        """Let go of everything. Called exactly once; not after it anything else."""


def joined(environ: WSGIEnvironment) -> list[Participant]:
    """The participants of this request.

    :raises RuntimeError: the request came in by an app that no part is installed on.
    """
    try:
        participants: list[Participant] = environ[KEY]
    except KeyError:
        raise RuntimeError(
            "This request did not come in by an app that has this part, so nothing would close what the part opens. "
            "Install the part on the outermost app too, or mount the inner one as WSGI: outer.mount('/x/', inner.wsgi)."
        ) from None
    return participants


def join(participants: list[Participant], participant: Participant) -> None:
    """Have `participant` settled and closed with the request whose participants these are."""
    participants.append(participant)
    if len(participants) > 1:
        participants.sort(key=lambda p: p.order)


def attach(app: Any, opener: Opener | None = None, finisher: Finisher | None = None) -> None:
    """Give `app`, and any Bottle app that it is later mounted in, the two moments. Attaching twice is harmless.

    :param opener: called with the environ as a request of this app begins; costs less than a `before_request` hook. A
        `bottle.HTTPResponse` that it raises is the answer, and no later opener and no handler is asked.
    :param finisher: called with the environ, the status and the list of headers, which it may change, before the first
        byte of every answer of this app: an error page's too, and the last resort's.
    """
    if "wsgi" not in vars(app):
        _attach(app)
    elif getattr(app.wsgi, "func", None) is not _serve:
        raise RuntimeError("Something else has replaced this app's `wsgi`. Install Demijohn's parts before it.")
    if opener is not None:
        app.wsgi.args[1].append(opener)
    if finisher is not None:
        app.wsgi.args[2].append(finisher)


def forget(app: Any, opener: Opener | None = None, finisher: Finisher | None = None) -> None:
    """Call them no more."""
    if opener is not None:
        app.wsgi.args[1].remove(opener)
    if finisher is not None:
        app.wsgi.args[2].remove(finisher)


def _attach(app: Any) -> None:
    def mounted(_config: Any, key: str, value: Any) -> None:
        # Bottle's mount() copies the routes and leaves the inner app's wsgi out of the way of a request.
        if key == "_mount.app" and value is not None:
            attach(value)

    openers: list[Opener] = []
    finishers: list[Finisher] = []
    app.wsgi = partial(_serve, app, openers, finishers)
    app.add_hook("config", mounted)


def _serve(
    app: Any,
    openers: list[Opener],
    finishers: list[Finisher],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """Bottle.wsgi with the two moments in it."""
    renew()  # uWSGI forks without a word to Python
    participants: list[Participant] = []
    outer = environ.get(KEY)  # this app may be mounted, as WSGI, in one that has parts too
    environ[KEY] = participants
    path = environ.setdefault("PATH_INFO", "")  # PEP 3333 lets a server leave it out
    try:
        for opener in openers:
            opener(environ)
        if not path.isascii():
            _check_path(path)
        handled = app._handle(environ)
    except bottle.HTTPResponse as answer:  # an opener's, or a refusal of the path
        handled = _bound(app, environ, answer)
    except Exception as broken:  # an opener; Bottle catches what a handler raises
        if not app.catchall or isinstance(broken, MemoryError):
            _end(environ, participants, outer)
            raise
        handled = _bound(app, environ, _broken(broken))
    except BaseException:
        _end(environ, participants, outer)
        raise
    try:
        out = app._cast(handled)
        response = bottle.response
        code = response._status_code
        headers = _header_list(response, code)
        if participants:
            status = code
            if isinstance(handled, bottle.HTTPError):
                status = max(status, handled.status_code)
            error = _settle(participants, status, headers)
            if error is not None:
                _close_body(out)
                out = app._cast(error)
                code = response._status_code
                headers = response.headerlist
                _settle(participants, error.status_code, headers)
        if code in _NO_BODY or environ["REQUEST_METHOD"] == "HEAD":
            _close_body(out)
            out = []
        line = response._status_line
        if not line.isascii():
            line = response._wsgi_status_line()
        for finisher in finishers:
            finisher(environ, code, headers)
        start_response(line, headers, environ.pop("bottle.exc_info", None))
    except BaseException as error:
        _end(environ, participants, outer)
        if not app.catchall or isinstance(error, MemoryError) or not isinstance(error, Exception):
            raise  # what is no Exception ends the worker, or comes from gevent
        return _last_resort(finishers, environ, start_response)
    if type(out) is list:  # a whole body: connections go back before a slow visitor has read it
        _end(environ, participants, outer)
        return out
    if not participants and _is_file(handled):
        _end(environ, participants, outer)
        return out  # type: ignore[no-any-return]  # as it is, for the server to send in its own way
    if outer is not None:
        environ[KEY] = outer  # whoever joins while the body is made
    return _Stream(out, participants, environ, outer, partial(response.bind, "", code, headers))


_NO_BODY = frozenset((100, 101, 204, 304))


def _header_list(response: Any, code: int) -> Headers:
    """`response.headerlist`, without encoding and decoding what is ASCII anyway: a tenth of a small request's time."""
    if response._cookies or code in response.bad_headers:
        return response.headerlist  # type: ignore[no-any-return]
    kept = response._headers
    out = []
    for name, values in kept.items():
        for value in values:
            if not value.isascii():
                return response.headerlist  # type: ignore[no-any-return]
            out.append((name, value))
    if "Content-Type" not in kept:
        out.append(("Content-Type", response.default_content_type))
    return out


def _bound(app: Any, environ: WSGIEnvironment, answer: bottle.HTTPResponse) -> bottle.HTTPResponse:
    """An answer that was given before Bottle knew of the request: it is told of it now, for the error page."""
    environ["bottle.app"] = app
    path = environ["PATH_INFO"]
    bottle.request.bind(environ if path.isascii() else {**environ, "PATH_INFO": "/"})
    bottle.response.bind()
    return answer


def _check_path(path: str) -> None:
    """Bottle drops what is not UTF-8 in a path, so that `/a%FFb` would be served as `/ab`."""
    try:
        path.encode("latin1").decode("utf8")
    except UnicodeDecodeError:
        raise bottle.HTTPError(400, "The address is not valid: it holds bytes that are not UTF-8.") from None
    except UnicodeEncodeError:
        raise bottle.HTTPError(400, "The address is not valid: the server has not passed it on as bytes.") from None


def _settle(participants: list[Participant], status: int, headers: Headers | None) -> bottle.HTTPError | None:
    """Have each prepare, then settle. Returns the error to answer with; who comes after it is settled for its
    status."""
    error: bottle.HTTPError | None = None
    if status < 500:
        for participant in participants:
            try:
                participant.prepare(status)
            except Exception as exception:
                error = error or _as_error(exception)
                status = max(status, error.status_code)
    for participant in participants:
        try:
            participant.settle(status, headers)
        except Exception as exception:
            error = error or _as_error(exception)
            status = max(status, error.status_code)
    return error


def _as_error(exception: Exception) -> bottle.HTTPError:
    if isinstance(exception, bottle.HTTPError):
        return exception
    log.error("The request could not be finished", exc_info=exception)
    return _broken(exception)


def _broken(exception: Exception) -> bottle.HTTPError:
    import traceback

    return bottle.HTTPError(500, "Internal Server Error", exception, "".join(traceback.format_exception(exception)))


def _is_file(handled: Any) -> bool:
    """Whether the body is a file of the disk, which joins nothing while it is read."""
    return isinstance(handled.body if isinstance(handled, bottle.HTTPResponse) else handled, io.IOBase)


def _end(environ: WSGIEnvironment, participants: list[Participant], outer: list[Participant] | None) -> None:
    """Close all who have joined. What comes after finds no request to join, or the one that this was a part of."""
    if participants:
        _close(participants)
    if outer is None:
        environ.pop(KEY, None)
    else:
        environ[KEY] = outer


def _close(participants: list[Participant]) -> None:
    for participant in participants:
        try:
            participant.close()
        except Exception:
            log.exception("Something could not be closed at the end of a request")
    participants.clear()  # they know of it, and would keep it and each other in a circle


def _close_body(out: Any) -> None:
    if hasattr(out, "close"):
        out.close()


def _last_resort(finishers: list[Finisher], environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """The answer when even the error page failed."""
    log.exception("The error page for %s failed as well", environ.get("PATH_INFO", "/"))
    body = b"<!doctype html><title>Error</title><h1>Something went wrong</h1><p>Please try again in a moment.</p>"
    headers = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(body)))]
    for finisher in finishers:
        try:
            finisher(environ, 500, headers)
        except Exception:
            log.exception("A part could not finish the answer to %s", environ.get("PATH_INFO", "/"))
    start_response("500 Internal Server Error", headers, sys.exc_info())
    return [body]


class _Stream:
    """A body that is still being made while it is sent. What it writes is kept if it runs to its end.

    A server may ask for each piece in another thread, and for pieces of two bodies by turns: `bottle.request` and
    `bottle.response` are made to be those that this body belongs to."""

    def __init__(
        self,
        body: Iterable[bytes],
        participants: list[Participant],
        environ: WSGIEnvironment,
        outer: list[Participant] | None,
        respond: Callable[[], None],
    ) -> None:
        self._close_inner: Callable[[], None] | None = getattr(body, "close", None)
        self._pieces = iter(body)
        self._participants = participants
        self._environ = environ
        self._outer = outer
        self._respond = respond
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._closed:
            self._bind()
        try:
            return next(self._pieces)
        except StopIteration:
            # Raised again, an error makes the server cut the connection: the visitor sees that the end is missing.
            error = _settle(self._participants, 200, None)
            self.close()
            if error is not None:
                raise error from None
            raise

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        close, self._close_inner = self._close_inner, None
        participants, self._participants = self._participants, []
        try:
            if close is not None:
                self._bind()
                close()
        finally:
            _end(self._environ, participants, self._outer)

    def _bind(self) -> None:
        try:
            here = bottle.request.environ is self._environ
        except RuntimeError:  # a thread that has answered no request yet
            here = False
        if not here:
            bottle.request.bind(self._environ)
            self._respond()  # by its charset Bottle turns text into bytes
