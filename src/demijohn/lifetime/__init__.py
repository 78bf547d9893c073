"""The two moments of a request for which Bottle has no hook: just before the first byte, and when the body is closed.

A part that keeps something for the length of a request (a database session, a user's session) joins the request.
Before the first byte goes out it is asked to settle: to keep its work, or to drop it where the request failed. When
the body is closed, by the end of the request, by an error or by a visitor who hangs up, it is closed.

Bottle decides the status in `Bottle._cast` (a generator's first piece, an error page) and sends it in the next line, so
`Bottle.wsgi` is replaced as a whole; what it calls, `_handle` and `_cast`, does in `bottled` what it does in Bottle.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import bottle

from demijohn.forks import UNHEARD, renew
from demijohn.lifetime.bottled import cast, get_code, get_line, handle, header_list
from demijohn.lifetime.participants import KEY as KEY
from demijohn.lifetime.participants import (
    Finisher,
    Opener,
    Watcher,
    broken,
    end,
    log,
    log_error,
    settle,
    show,
)
from demijohn.lifetime.participants import Headers as Headers
from demijohn.lifetime.participants import Participant as Participant
from demijohn.lifetime.participants import Ready as Ready
from demijohn.lifetime.participants import join as join
from demijohn.lifetime.participants import joined as joined
from demijohn.lifetime.stream import Stream

if TYPE_CHECKING:  # Python 3.10 has no wsgiref.types
    from wsgiref.types import StartResponse, WSGIEnvironment


def attach(
    app: Any, opener: Opener | None = None, finisher: Finisher | None = None, watcher: Watcher | None = None
) -> None:
    """Give `app`, and any Bottle app that it is later mounted in, the two moments. Attaching twice is harmless.

    :param opener: called with the environ as a request of this app begins; costs less than a `before_request` hook. A
        `bottle.HTTPResponse` that it raises is the answer, and no later opener and no handler is asked. So is what it
        returns, if that is not None: it goes out as it is, by the finishers and past Bottle, which costs next to
        nothing. The headers must be a list of this answer's own; what answers a HEAD has no body.
    :param finisher: called with the environ, the status and the list of headers, which it may change, before the first
        byte of every answer of this app: an error page's too, and the last resort's.
    :param watcher: called with the environ and an error for which no error page can be shown: one in the middle of a
        body, or of an error page. It tells the log; without one, the log is told here.
    """
    if "wsgi" not in vars(app):
        _attach(app)
    elif getattr(app.wsgi, "func", None) is not _serve:
        raise RuntimeError("Something else has replaced this app's `wsgi`. Install Demijohn's parts before it.")
    if opener is not None:
        app.wsgi.args[1].append(opener)
    if finisher is not None:
        app.wsgi.args[2].append(finisher)
    if watcher is not None:
        app.wsgi.args[3].append(watcher)


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
    watchers: list[Watcher] = []
    app.wsgi = partial(_serve, app, openers, finishers, watchers)
    app.add_hook("config", mounted)


def _serve(
    app: Any,
    openers: list[Opener],
    finishers: list[Finisher],
    watchers: list[Watcher],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """Bottle.wsgi with the two moments in it."""
    if UNHEARD:
        renew()
    participants: list[Participant] = []
    outer = environ.get(KEY)  # this app may be mounted, as WSGI, in one that has parts too
    environ[KEY] = participants
    path = environ.setdefault("PATH_INFO", "")  # PEP 3333 lets a server leave it out
    environ.setdefault("REQUEST_METHOD", "GET")  # uWSGI does, after a number of empty lines
    try:
        for opener in openers:
            ready = opener(environ)
            if ready is not None:
                line, code, headers, body = ready
                error = settle(participants, code, headers) if participants else None
                if error is not None:
                    raise error
                for finisher in finishers:
                    finisher(environ, code, headers)
                start_response(line, headers)
                if participants and type(body) is not list:
                    return Stream(body, participants, environ, outer, _nothing, watchers)
                if participants or outer is not None:
                    end(environ, participants, outer)
                else:
                    del environ[KEY]
                return body
        if not path.isascii():
            _check_path(path)
        handled = handle(app, environ)
    except bottle.HTTPResponse as answer:  # an opener's, or a refusal of the path
        handled = _bound(app, environ, answer)
    except Exception as raised:  # an opener; Bottle catches what a handler raises
        if not app.catchall or isinstance(raised, MemoryError):
            end(environ, participants, outer)
            raise
        handled = _bound(app, environ, broken(raised))
    except BaseException:
        end(environ, participants, outer)
        raise
    try:
        out = cast(app, handled)
        response = bottle.response
        code = get_code(response)
        headers = header_list(code)
        if participants:
            status = code
            if isinstance(handled, bottle.HTTPError):
                status = max(status, handled.status_code)
            error = settle(participants, status, headers)
            if error is not None:
                if not watchers:
                    log_error(error)
                _close_body(out)
                out = app._cast(error)
                code = response._status_code
                headers = response.headerlist
                settle(participants, error.status_code, headers)
        if code in _NO_BODY or environ["REQUEST_METHOD"] == "HEAD":
            _close_body(out)
            out = []
        line = get_line(response)
        if not line.isascii():
            line = response._wsgi_status_line()
        for finisher in finishers:
            finisher(environ, code, headers)
        start_response(line, headers, environ.pop("bottle.exc_info", None))
    except BaseException as error:
        end(environ, participants, outer)
        if not app.catchall or isinstance(error, MemoryError) or not isinstance(error, Exception):
            raise  # what is no Exception ends the worker, or comes from gevent
        return _last_resort(error, finishers, watchers, environ, start_response)
    if type(out) is list:  # a whole body: connections go back before a slow visitor has read it
        if participants or outer is not None:
            end(environ, participants, outer)
        else:
            environ.pop(KEY, None)
        return out
    if not participants and _is_file(handled):
        end(environ, participants, outer)
        return out  # type: ignore[no-any-return]  # as it is, for the server to send in its own way
    if outer is not None:
        environ[KEY] = outer  # whoever joins while the body is made
    return Stream(out, participants, environ, outer, partial(response.bind, "", code, headers), watchers)


def _nothing() -> None:
    """An opener's answer is told to nobody but the server."""


_NO_BODY = frozenset((100, 101, 204, 304))


def _bound(app: Any, environ: WSGIEnvironment, answer: bottle.HTTPResponse) -> bottle.HTTPResponse:
    """An answer that was given before Bottle knew of the request: it is told of it now, for the error page."""
    environ["bottle.app"] = app
    path = environ["PATH_INFO"]
    bottle.request.bind(environ if path.isascii() else {**environ, "PATH_INFO": "/", "bottle.raw_path": path})
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


def _is_file(handled: Any) -> bool:
    """Whether the body is a file of the disk, which joins nothing while it is read."""
    return isinstance(handled.body if isinstance(handled, bottle.HTTPResponse) else handled, io.IOBase)


def _close_body(out: Any) -> None:
    if hasattr(out, "close"):
        out.close()


def _last_resort(
    error: Exception,
    finishers: list[Finisher],
    watchers: list[Watcher],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> list[bytes]:
    """The answer when even the error page failed."""
    if not watchers:
        log.exception("The error page for %s failed as well", environ.get("PATH_INFO", "/"))
    show(watchers, environ, error)
    body = b"<!doctype html><title>Error</title><h1>Something went wrong</h1><p>Please try again in a moment.</p>"
    headers = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(body)))]
    for finisher in finishers:
        try:
            finisher(environ, 500, headers)
        except Exception:
            log.exception("A part could not finish the answer to %s", environ.get("PATH_INFO", "/"))
    start_response("500 Internal Server Error", headers, sys.exc_info())
    return [body]
