"""Who has joined a request, and what becomes of their work at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import bottle

if TYPE_CHECKING:  # Python 3.10 has no wsgiref.types
    from wsgiref.types import WSGIEnvironment

KEY = "demijohn.lifetime"
Headers = list[tuple[str, str]]
#: A whole answer: the status line, its number, the headers, the body.
Ready = tuple[str, int, Headers, Iterable[bytes]]
Opener = Callable[["WSGIEnvironment"], "Ready | None"]
Finisher = Callable[["WSGIEnvironment", int, Headers], None]
Watcher = Callable[["WSGIEnvironment", Exception], None]
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


def settle(participants: list[Participant], status: int, headers: Headers | None) -> bottle.HTTPError | None:
    """Have each prepare, then settle. Returns the error to answer with; who comes after it is settled for its
    status."""
    error: bottle.HTTPError | None = None
    if status < 500:
        for participant in participants:
            try:
                participant.prepare(status)
            except Exception as exception:
                error = error or as_error(exception)
                status = max(status, error.status_code)
    for participant in participants:
        try:
            participant.settle(status, headers)
        except Exception as exception:
            error = error or as_error(exception)
            status = max(status, error.status_code)
    return error


def as_error(exception: Exception) -> bottle.HTTPError:
    return exception if isinstance(exception, bottle.HTTPError) else broken(exception)


def log_error(error: bottle.HTTPError) -> None:
    if error.status_code == 500 and error.exception is not None:
        log.error("The request could not be finished", exc_info=error.exception)


def broken(exception: Exception) -> bottle.HTTPError:
    import traceback

    return bottle.HTTPError(500, "Internal Server Error", exception, "".join(traceback.format_exception(exception)))


def end(environ: WSGIEnvironment, participants: list[Participant], outer: list[Participant] | None) -> None:
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


def show(watchers: list[Watcher], environ: WSGIEnvironment, error: Exception) -> None:
    for watcher in watchers:
        try:
            watcher(environ, error)
        except Exception:
            log.exception("An error in answering %s could not be written down", environ.get("PATH_INFO", "/"))
