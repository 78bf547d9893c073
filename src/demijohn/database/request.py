"""A database session and the request that it belongs to. Nothing of SQLAlchemy is imported here."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.errors import DatabaseDownError

if TYPE_CHECKING:
    from demijohn.database.orm import RequestSession
    from demijohn.database.replicas import Replicas


class InRequest:
    """Ties a session to its request."""

    __slots__ = ("environ", "key", "session")
    order = 0  # before the user's session: that one must not remember what the database then refuses

    def __init__(self, session: RequestSession, environ: dict[str, Any], key: str) -> None:
        self.session = session
        self.environ = environ
        self.key = key

    def prepare(self, status: int) -> None:
        """What the database refuses it says at the commit."""

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        if status >= 400:
            self.session.rollback()
            # A hook, or a template that is rendered after the handler: what they raise, Bottle has made a 500 of.
            failed = self.environ.get("bottle.exc_info") if status == 500 else None
            if failed:
                refuse(failed[1])
            return
        try:
            self.session.finish()
        except Exception as error:
            self.session.rollback()
            refuse(error)
            raise

    def close(self) -> None:
        environ = self.environ
        environ.pop(self.key, None)  # an app that this one is mounted in may yet ask for a session
        self.session.end(f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}")


class InReplicatedRequest(InRequest):
    """Has who writes read the primary for a while."""

    __slots__ = ("replicas",)

    def __init__(self, session: RequestSession, environ: dict[str, Any], key: str, replicas: Replicas) -> None:
        super().__init__(session, environ, key)
        self.replicas = replicas

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        wrote = status < 400 and headers is not None and self.session.may_have_written()
        super().settle(status, headers)
        if wrote and headers is not None:
            headers.append(self.replicas.cookie(self.environ))


def explain(error: Exception) -> None:
    """Have SQLAlchemy's own error say what to do, where it does not."""
    if type(error).__module__ == "sqlalchemy.orm.exc":
        from demijohn.database import faults

        faults.explain(error)


def answer(error: Exception) -> bottle.HTTPError | None:
    """The answer to a request that failed with `error`; None where that is nothing of the database's."""
    explain(error)
    if not (isinstance(error, DatabaseDownError) or type(error).__module__.startswith("sqlalchemy")):
        return None
    from demijohn.database import faults

    return faults.answer(error)


def is_outage(error: Exception) -> bool:
    """Whether `answer` has one for it. Tells nobody."""
    if not (isinstance(error, DatabaseDownError) or type(error).__module__.startswith("sqlalchemy")):
        return False
    from demijohn.database import faults

    return faults.is_outage(error)


def refuse(error: Exception) -> None:
    """Raise the answer to `error` in its place, if it is one of the database's."""
    refusal = answer(error)
    if refusal is not None:
        raise refusal from error


def guard(pieces: Generator[Any, Any, Any]) -> Iterator[Any]:
    """The pieces of a body that a handler makes while it is sent; the database's errors are answered as its own are."""
    try:
        yield from pieces
    except Exception as error:
        refuse(error)
        raise
