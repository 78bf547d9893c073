"""`Tickets`: unhandled errors, as a Bottle plugin. Works in any Bottle app:

app = bottle.Bottle()
tickets = app.install(Tickets(root="/srv/site"))

Each error is a line in the log `demijohn.tickets`; equal ones have the same id, which is in `environ[tickets.KEY]` for
the page that tells the visitor.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.errors import MemcachedDownError, StoreUnavailableError

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.memcached import Memcached
    from demijohn.secrecy.hiding import Secrets
    from demijohn.tickets.fingerprint import Code
    from demijohn.tickets.home import Home
    from demijohn.tickets.page import Explanation
    from demijohn.tickets.waiting import Told, Waiting

#: Where a request keeps the id of the ticket that its error has got.
KEY = "demijohn.ticket"
#: Where an app keeps its tickets.
CONFIG_KEY = "demijohn.tickets"
#: Days that a ticket is kept after it has last happened.
KEEP = 90
_UNSUPPORTED = "Unsupported response type"  # what Bottle says of a handler's answer that it cannot send
log = logging.getLogger("demijohn.tickets")


class Tickets:
    """An id for each unhandled error, a line in the log, a row in the database.

    :param root: the site's folder, to tell its code from that of packages.
    :param engine: makes the engine of the database that tickets are kept in: one that waits for nothing long, and does
        not take the site's connections. None: they are in the log only.
    :param memcached: the site's memcached, where they wait while the database is down.
    :param keep: seconds for which a ticket is kept after it has last happened.
    :param is_outage: whether an error says that something that the site needs is down: that is no ticket.
    :param secrets: values that must not be written down. Called at the first error.
    :param release: which release of the site this is. Called at the first error.
    """

    name = "tickets"
    api = 2

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        engine: Callable[[], sqlalchemy.Engine] | None = None,
        memcached: Callable[[], Memcached | None] | None = None,
        keep: float = KEEP * 86400,
        is_outage: Callable[[Exception], bool] | None = None,
        secrets: Callable[[], list[str]] = list,
        release: Callable[[], str] = str,
    ) -> None:
        self._root = root
        self._engine = engine
        self._memcached = memcached
        self._keep = keep
        self._is_outage = is_outage
        self._secrets = secrets
        self._release = release
        #: Whether anything waits to be brought home.
        self._waiting: Waiting | None = None

    def record(self, error: BaseException, environ: dict[str, Any] | None = None) -> str | None:
        """Write an error down, and go on: in a job or a thread, or where a handler does without what has failed.

        :param environ: the request that it belongs to; by default the one that this thread answers, if any.
        :returns: the ticket's id; None where the error is an outage, of which others tell the log. Raises nothing.
        """
        try:
            if self._passes(error):
                return None
            return self._record(error, _current() if environ is None else environ)
        except Exception:
            log.exception("A ticket could not be written. It was to be about %s", type(error).__name__)
            return None

    def explain(self, error: BaseException) -> Explanation:
        """For development: the error with the source and the variables of each line that it came by."""
        from demijohn.tickets.page import Explanation

        return Explanation(error, self.code, self.secrets, bottle.request.environ)

    def flush(self) -> bool:
        """Bring home now what waits. Raises nothing. Whether nothing waits any more."""
        return self._waiting is None or self.home.bring(insist=True)

    @property
    def keeps(self) -> bool:
        """Whether there is a place for tickets besides the log."""
        return self._engine is not None or self._memcached is not None

    def declare(self, metadata: sqlalchemy.MetaData) -> None:
        """Add the table to those of the site, for what makes and migrates them."""
        if self._engine is not None:
            from demijohn.tickets.table import tickets_table

            tickets_table(metadata)

    # What is made at the first error

    @cached_property
    def code(self) -> Code:
        from demijohn.tickets.fingerprint import Code

        return Code(self._root)

    @cached_property
    def secrets(self) -> Secrets:
        from demijohn.secrecy import of_environment
        from demijohn.secrecy.hiding import Secrets

        return Secrets([*self._secrets(), *of_environment()])

    @cached_property
    def process(self) -> dict[str, Any]:
        """The release and the machine."""
        from demijohn.tickets.facts import of_process

        return of_process(self._release())

    @cached_property
    def home(self) -> Home:
        from demijohn.tickets.home import Home

        return Home(self.waiting, self._engine, self._memcached or _no_memcached, self._keep)

    @property
    def waiting(self) -> Waiting:
        if self._waiting is None:
            from demijohn.tickets.waiting import Waiting

            self._waiting = self.__dict__.setdefault("_first_waiting", Waiting())  # threads may come together
            atexit.register(_leave, weakref.ref(self))
        return self._waiting

    # Bottle's side

    def setup(self, app: Any) -> None:
        lifetime.attach(app, self._open, watcher=self._watch)
        app.config[CONFIG_KEY] = self
        app.__dict__["error_handler"] = _Handlers(self, app.error_handler)  # Bottle lets nothing be set a second time
        bottle.format_exc = _format_exc

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def close(self) -> None:
        """Bring home what waits, and close the connection."""
        if self._waiting is not None:
            self.home.leave()
            self.home.close()

    def _open(self, environ: dict[str, Any]) -> None:
        waiting = self._waiting
        if waiting is not None and waiting.any:
            self._later(environ)

    def _watch(self, environ: dict[str, Any], error: Exception) -> None:
        """An error for which there is no error page."""
        if isinstance(error, bottle.HTTPError):
            self.answered(error, environ)
        elif not isinstance(error, bottle.HTTPResponse):
            self.record(error, environ)

    def answered(self, answer: bottle.HTTPError, environ: dict[str, Any]) -> None:
        """An error page is about to be made of `answer`."""
        error = answer.exception
        if error is None and isinstance(answer.body, str) and answer.body.startswith(_UNSUPPORTED):
            error = TypeError(answer.body)
        if error is not None and answer.status_code == 500:
            self.record(error, environ)

    def _passes(self, error: BaseException) -> bool:
        if isinstance(error, (StoreUnavailableError, MemcachedDownError, bottle.HTTPResponse)):
            return True
        return self._is_outage is not None and isinstance(error, Exception) and self._is_outage(error)

    def _record(self, error: BaseException, environ: dict[str, Any] | None) -> str:
        from demijohn.tickets import facts
        from demijohn.tickets.fingerprint import name_of

        id = self.code.fingerprint(error)
        if environ is not None:
            environ[KEY] = id

        def name() -> dict[str, str]:
            message = facts.message_of(error, self.secrets, environ)
            return {"error": name_of(error), "place": self.code.place(error), "message": message}

        def sample() -> dict[str, Any]:
            trace = facts.traceback_of(error, self.secrets, environ)
            found = {"traceback": trace, **self.process, "process": os.getpid()}
            return found if environ is None else {**found, "request": facts.request_of(environ, self.secrets)}

        told = self.waiting.add(id, name, sample)
        _tell(told, environ)
        if self.keeps:
            self._later(environ)
        else:
            self.waiting.is_home(id, told.get("series", ""), told.get("count", 0))
        return id

    def _later(self, environ: dict[str, Any] | None) -> None:
        """Bring tickets home when this request has given its connections back; at once where there is none."""
        participants = None if environ is None else environ.get(lifetime.KEY)
        if participants is None:
            self.home.bring()
        elif not any(isinstance(participant, _Bringer) for participant in participants):
            lifetime.join(participants, _Bringer(self))


class _Bringer:
    """Comes after all others of a request."""

    __slots__ = ("_tickets",)
    order = 1000

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    def prepare(self, status: int) -> None:
        """Nothing can fail."""

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        """A ticket is kept, whatever becomes of its request."""

    def close(self) -> None:
        self._tickets.home.bring()


class _Handlers(dict[int, Any]):
    """An app's error handlers. Bottle asks here for each error of which it makes a page, wherever it was raised."""

    def __init__(self, tickets: Tickets, handlers: dict[int, Any]) -> None:
        super().__init__(handlers)
        self._tickets = tickets

    def get(self, status: int, default: Any = None) -> Any:
        handler = super().get(status, default)
        if status != 500:
            return handler

        def watched(answer: bottle.HTTPError) -> Any:
            self._tickets.answered(answer, bottle.request.environ)
            if status in self and answer.exception is not None and not answer.traceback:
                import traceback

                answer.traceback = "".join(traceback.format_exception(answer.exception))
            return handler(answer)

        return watched


def _tell(told: Told, environ: dict[str, Any] | None) -> None:
    """One line, by the log's own means: `demijohn tickets collect` can read it back."""
    if not log.isEnabledFor(logging.ERROR):
        return
    sample = dict(told.pop("sample", ()))
    trace = sample.pop("traceback", None)
    sample.pop("time", None)
    facts = {"ticket": told.pop("id"), "text": told.pop("message"), **told, **sample}
    words = facts["ticket"], facts["error"], facts["text"]
    extra = {"facts": facts}
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, "Ticket %s: %s: %s", words, None, extra=extra)
    record.exc_text = trace  # without exc_info: that one is not scrubbed
    if environ is not None:
        record.request_id = environ.get("demijohn.request_id", "")
    log.handle(record)


def _current() -> dict[str, Any] | None:
    """The request that this thread answers."""
    try:
        environ: dict[str, Any] = bottle.request.environ
    except RuntimeError:
        return None
    return environ if lifetime.KEY in environ else None


def _no_memcached() -> None:
    return None


def _leave(tickets: weakref.ref[Tickets]) -> None:
    here = tickets()
    if here is not None:
        here.close()


_bottles_format_exc = bottle.format_exc


def _format_exc(*args: Any, **options: Any) -> str:
    """Bottle writes this to `wsgi.errors`. Of an app with tickets the log tells the same."""
    try:
        app = bottle.request.environ.get("bottle.app")
    except RuntimeError:
        app = None
    if sys.exc_info()[0] is not None and app is not None and CONFIG_KEY in app.config:
        return ""
    return str(_bottles_format_exc(*args, **options))
