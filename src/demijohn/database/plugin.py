"""`Database`: SQLAlchemy 2 as a Bottle plugin. Works in any Bottle app:

app = bottle.Bottle()
db = app.install(Database("sqlite:///notes.sqlite"))

@app.get("/notes")
def notes(db):
    return {"notes": db.scalars(select(Note.text)).all()}
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import bottle

from demijohn import lifetime
from demijohn.errors import DatabaseDownError, NoDatabaseError, OutsideRequestError

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.orm import Session

    from demijohn.database.orm import RequestSession

_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))  # RFC 9110 section 9.2.1


class Database:
    """One SQLAlchemy session a request: made when a handler asks for `db`, connected at the first query, committed when
    the status is below 400 and nothing was raised (before the first byte goes out), else rolled back; closed with the
    body.

    Nothing of SQLAlchemy is imported before the first use of `Model`, `engine` or a session.

    :param url: a SQLAlchemy database URL.
    :param keyword: the name of the handler's argument.
    :param options: as `engine.make_engine` takes them.
    """

    name = "database"
    api = 2

    def __init__(self, url: str, *, keyword: str = "db", **options: Any) -> None:
        self.url = url
        self.keyword = keyword
        self._options = options
        self._key = f"demijohn.database.{keyword}"
        self._opening = threading.Lock()
        self._engine: sqlalchemy.Engine | None = None
        self._model: Any = None
        self._session_class: type[RequestSession] | None = None

    # What a site uses

    @property
    def Model(self) -> Any:
        """The declarative base of this site's models."""
        if self._model is None:
            from demijohn.database.orm import make_base

            self._model = make_base()
        return self._model

    @property
    def metadata(self) -> sqlalchemy.MetaData:
        """The tables of all models, and those that parts have added."""
        return self.Model.metadata  # type: ignore[no-any-return]

    @property
    def engine(self) -> sqlalchemy.Engine:
        """The engine, made at the first use. It connects when it is first asked something."""
        if self._engine is None:
            if not self.url:
                raise NoDatabaseError("This site has no database: database.url is empty. Set it, or DATABASE_URL.")
            from demijohn.database.engine import make_engine

            with self._opening:  # the first requests may come together, and must not make a pool each
                if self._engine is None:
                    self._engine = make_engine(self.url, **self._options)
        return self._engine

    @property
    def session(self) -> Session:
        """The session of the request that this thread is answering: for hooks, templates and helpers.

        :raises OutsideRequestError: there is none; use `unit()`.
        """
        try:
            environ = bottle.request.environ
        except RuntimeError:
            environ = None
        if environ is None or lifetime.KEY not in environ:
            raise OutsideRequestError(
                "There is no request here that a database session could belong to. In a thread, a job or a shell "
                "write: with site.db.unit() as db: ..."
            )
        return self.open(environ)

    @contextmanager
    def unit(self) -> Iterator[Session]:
        """A session for a thread, a job or a shell: committed at the end, rolled back if anything is raised, closed."""
        session = self._make(writes=True)
        try:
            yield session
            session.commit()
        finally:
            session.close()  # rolls back what is not committed

    def create_all(self) -> list[str]:
        """Make the tables that are missing. Returns their names. Alters none; never called in a request."""
        import sqlalchemy

        with self.engine.connect() as connection:
            there = set(sqlalchemy.inspect(connection).get_table_names())
            missing = [table for table in self.metadata.sorted_tables if table.name not in there]
            if connection.dialect.name == "sqlite":
                # Kept in the file: readers go on while one writes. It cannot be set inside a transaction.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            # checkfirst: two processes may be at this at the same time.
            self.metadata.create_all(connection, tables=missing, checkfirst=True)
            connection.commit()
        return [table.name for table in missing]

    def alone(self, statement: Any, parameters: Any) -> tuple[list[Any], int]:
        """Run one statement by itself, committed at once, in one round trip. It is run again, once, where the
        connection turns out to have been cut, and has then perhaps been carried out twice: it must come to the same.

        A SELECT may be run inside the open transaction of the request that this thread answers, where MySQL shows what
        there was when that began. With the execution option `fresh` it is not.

        :returns: the rows of a SELECT, and the number of rows that another statement matched.
        """
        from sqlalchemy.exc import DBAPIError

        # A request that holds one connection and waits for a second can wait for ever: all may be held so.
        held = self._held(to_read=statement.is_select and not statement.get_execution_options().get("fresh"))
        if held is not None:
            return _result(held, statement, parameters)
        try:
            with self.engine.connect() as connection:
                return _result(connection, statement, parameters)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self.engine.connect() as connection:  # a fresh one: the pool has dropped the others, too
            return _result(connection, statement, parameters)

    def _held(self, to_read: bool) -> sqlalchemy.Connection | None:
        """The connection that the request which this thread answers holds, as far as it can be lent."""
        try:
            session: RequestSession | None = bottle.request.environ.get(self._key)
        except RuntimeError:
            return None
        return None if session is None else session.lend(to_read)

    # Bottle's side

    def setup(self, app: Any) -> None:
        for other in app.plugins:
            if isinstance(other, Database) and other.keyword == self.keyword:
                raise bottle.PluginError(
                    f"Two databases want to be the handlers' argument {self.keyword!r}. Give one another keyword."
                )
        lifetime.attach(app)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        keyword = self.keyword
        if keyword not in inspect.signature(route.callback).parameters:
            return callback
        request = bottle.request

        def with_database(*args: Any, **kwargs: Any) -> Any:
            kwargs[keyword] = self.open(request.environ)
            try:
                return callback(*args, **kwargs)
            except bottle.HTTPResponse:
                raise
            except Exception as error:
                refusal = _answer(error)
                if refusal is None:
                    raise
                raise refusal from error

        return with_database

    def open(self, environ: dict[str, Any]) -> Session:
        """The session of the request with this environ; the same one each time."""
        session = environ.get(self._key)
        if session is None:
            session = self._make(writes=environ["REQUEST_METHOD"] not in _SAFE)
            lifetime.join(lifetime.joined(environ), _InRequest(session))
            environ[self._key] = session
        return session

    def close(self) -> None:
        """Close the connections at rest. The next use opens new ones."""
        if self._engine is not None:
            self._engine.dispose()

    def _make(self, writes: bool) -> RequestSession:
        if self._session_class is None:
            from demijohn.database.orm import RequestSession

            self._session_class = RequestSession
        return self._session_class(self.engine, writes)


class _InRequest:
    """Ties a session to its request."""

    __slots__ = ("session",)
    order = 0  # before the user's session: that one must not remember what the database then refuses

    def __init__(self, session: RequestSession) -> None:
        self.session = session

    def prepare(self, status: int) -> None:
        """What the database refuses it says at the commit."""

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        if status >= 400:
            self.session.rollback()
            return
        try:
            self.session.finish()
        except Exception as error:
            self.session.rollback()
            refusal = _answer(error)
            if refusal is None:
                raise
            raise refusal from error

    def close(self) -> None:
        self.session.close()


def _result(connection: sqlalchemy.Connection, statement: Any, parameters: Any) -> tuple[list[Any], int]:
    from demijohn.database.dialects import ALONE

    result = connection.execute(statement, parameters, execution_options={ALONE: True})
    return (list(result), 0) if result.returns_rows else ([], result.rowcount)


def _answer(error: Exception) -> bottle.HTTPError | None:
    if not (isinstance(error, DatabaseDownError) or type(error).__module__.startswith("sqlalchemy")):
        return None
    from demijohn.database.faults import answer

    return answer(error)
