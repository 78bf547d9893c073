"""`Database`: SQLAlchemy 2 as a Bottle plugin. Works in any Bottle app:

app = bottle.Bottle()
db = app.install(Database("sqlite:///notes.sqlite"))

@app.get("/notes")
def notes(db):
    return {"notes": db.scalars(select(Note.text)).all()}
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import bottle

from demijohn import lifetime
from demijohn.database.request import InReplicatedRequest, InRequest, explain, guard, refuse
from demijohn.errors import NoDatabaseError, OutsideRequestError
from demijohn.forks import renew

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.orm import Session
    from sqlalchemy.sql.selectable import TypedReturnsRows

    from demijohn.database.migrations import Migrations
    from demijohn.database.orm import RequestSession
    from demijohn.database.pages import Page
    from demijohn.database.replicas import Replicas

    T = TypeVar("T")
    Number = int | str | None

#: Constraints with names can be dropped by a migration on every database.
NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
log = logging.getLogger("demijohn.database")

_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))  # RFC 9110 section 9.2.1


class Database:
    """One SQLAlchemy session a request: made when a handler asks for `db`, connected at the first query, committed when
    the status is below 400 and nothing was raised (before the first byte goes out), else rolled back; closed with the
    body.

    Nothing of SQLAlchemy is imported before the first use of `Model`, `engine` or a session.

    :param url: a SQLAlchemy database URL.
    :param keyword: the name of the handler's argument.
    :param replicas: the URLs of copies of the database, which safe requests read from.
    :param replica_choice: which is asked next: `round-robin`, or `random`.
    :param replica_lag: seconds for which who has written reads the primary.
    :param watch: tell the log of connections that are taken and not given back, as `leaks.watch` does: in development.
    :param migrations: the folder of the migrations, which need not be there.
    :param tell: called after each statement with its text, without its values, and the seconds that it took.
    :param options: as `engine.make_engine` takes them.
    """

    name = "database"
    api = 2

    def __init__(
        self,
        url: str,
        *,
        keyword: str = "db",
        replicas: Sequence[str] = (),
        replica_choice: str = "round-robin",
        replica_lag: float = 5,
        watch: bool = False,
        migrations: str = "",
        tell: Callable[[str, float], None] | None = None,
        **options: Any,
    ) -> None:
        self.url = url
        self.keyword = keyword
        if keyword != "db":
            self.name = f"database {keyword}"  # of plugins with one name Bottle applies only one
        self._options = options
        self._replica_options: dict[str, Any] = {"urls": tuple(replicas), "choice": replica_choice, "lag": replica_lag}
        self._replicas: Replicas | None = None
        self._watch = watch
        self._migrations = migrations
        self._tell = tell
        self._key = f"demijohn.database.{keyword}"
        self._opening = threading.Lock()
        self._engine: sqlalchemy.Engine | None = None
        self._model: Any = None
        self._metadata: sqlalchemy.MetaData | None = None
        #: Tables that were found to be there, with their schemas, when the database was asked how it is.
        self.seen_tables: set[tuple[str, str | None]] = set()
        self._session_class: type[RequestSession] | None = None

    # What a site uses

    @property
    def Model(self) -> Any:
        """The declarative base of this site's models."""
        if self._model is None:
            from demijohn.database.models import make_base

            self._model = make_base(self)
        return self._model

    @property
    def metadata(self) -> sqlalchemy.MetaData:
        """The tables of all models, whatever their base, and those that parts have added."""
        if self._metadata is None:
            from sqlalchemy import MetaData

            self._metadata = MetaData(naming_convention=NAMES)
        return self._metadata

    @property
    def engine(self) -> sqlalchemy.Engine:
        """The engine, made at the first use. It connects when it is first asked something."""
        renew()  # a server that forks in C calls nobody
        if self._engine is None:
            if not self.url:
                raise NoDatabaseError("This site has no database: database.url is empty. Set it, or DATABASE_URL.")
            from demijohn.database.engine import make_engine

            with self._opening:  # the first requests may come together, and must not make a pool each
                if self._engine is None:
                    self._engine = self._watched(make_engine(self.url, **self._options))
                    if os.path.isdir(self._migrations):
                        self.migrations.watch(self._engine)
        return self._engine

    @cached_property
    def migrations(self) -> Migrations:
        """The migrations, and where the database stands in them: `migrations.schema()`."""
        from demijohn.database.migrations import Migrations

        return Migrations(self, self._migrations)

    @property
    def replicas(self) -> Replicas | None:
        """The replicas that safe requests read from, or None where there are none."""
        if self._replicas is None and self._replica_options["urls"]:
            from demijohn.database.replicas import Replicas

            primary = self.engine
            with self._opening:
                if self._replicas is None:
                    self._replicas = Replicas(primary, **self._replica_options, **self._options)
                    for engine in self._replicas.engines:
                        self._watched(engine)
        return self._replicas

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
        """A session for a thread, a job or a shell: committed at the end, rolled back if anything is raised, closed.

        In a generator that is not run to its end there is no end: it is rolled back when the generator is closed, or
        found by the garbage collector, which `watch` tells of."""
        session = self._make(writes=True)
        begun = _line() if self._watch else ""
        try:
            yield session
            session.finish()
        except GeneratorExit:
            if begun and session.has_changes():
                log.warning("The unit() at %s was left before its end: nothing that it wrote was kept.", begun)
            raise
        except Exception as error:
            explain(error)
            raise
        finally:
            session.end("The unit()")  # rolls back what is not committed

    if TYPE_CHECKING:

        @overload
        def page(
            self, statement: TypedReturnsRows[T], number: Number = ..., size: Number = ..., **options: Any
        ) -> Page[T]: ...
        @overload
        def page(self, statement: Any, number: Number = ..., size: Number = ..., **options: Any) -> Page[Any]: ...

    def page(
        self, statement: Any, number: Number = 1, size: Number = None, *, db: Session | None = None, **options: Any
    ) -> Page[Any]:
        """The page `number` of what `statement` finds, and how many there are in all: `pages.page`, which tells of the
        options too.

        :param db: else the session of the request.
        """
        from demijohn.database.pages import page

        return page(self.session if db is None else db, statement, number, size, **options)

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

    def health(self) -> tuple[bool, str]:
        """Whether visitors can be served, and how the database stands in a word or two: `answers`, `busy`, `not
        answering`, `tables missing`, or `behind` or `ahead` of the migrations of this release. One that is ahead
        belongs to a newer release, which will take over; without the tables that one that is behind lacks, pages fail.
        A server that says nothing is given up after 2 s."""
        from demijohn.database.health import health

        return health(self)

    def alone(self, statement: Any, parameters: Any) -> tuple[list[Any], int]:
        """Run one statement by itself, committed at once, in one round trip. It is run again, once, where the
        connection turns out to have been cut, and has then perhaps been carried out twice: it must come to the same.

        A SELECT may be run inside the open transaction of the request that this thread answers, where MySQL shows what
        there was when that began. With the execution option `fresh` it is not. On SQLite, which has one writer in the
        whole file, one that writes becomes a part of that transaction: see `redo`.

        :returns: the rows of a SELECT, and the number of rows that another statement matched.
        """
        from sqlalchemy import exc

        # A request that holds one connection and waits for a second can wait for ever: all may be held so.
        held = self._held(to_read=statement.is_select and not statement.get_execution_options().get("fresh"))
        if held is not None:
            return _result(held, statement, parameters)
        try:
            with self.engine.connect() as connection:
                return _result(connection, statement, parameters)
        except exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self.engine.connect() as connection:  # a fresh one: the pool has dropped the others, too
            return _result(connection, statement, parameters)

    def soon(self, statement: Any, parameters: Any, seconds: float) -> tuple[list[Any], int]:
        """As `alone`, but never on a connection of the request's, and given up where the server says nothing for so
        long."""
        from demijohn.database.hurry import hurried

        with hurried(self, seconds) as connection:
            return _result(connection, statement, parameters)

    def has_table(self, name: str, seconds: float) -> bool:
        """Whether there is a table of this name, asked as `soon` asks."""
        import sqlalchemy

        from demijohn.database.hurry import hurried

        with hurried(self, seconds) as connection:
            return sqlalchemy.inspect(connection).has_table(name)

    def redo(self, act: Callable[[], object]) -> None:
        """Have `act` called at the end of the request which this thread answers, if what `alone` has just written is
        rolled back with it: it became a part of the request's transaction, on SQLite, and must be kept all the same."""
        session = self._session_of_request()
        if session is not None:
            session.redo(act)

    def joins(self) -> bool:
        """Whether what `alone` writes now becomes a part of the transaction of the request that this thread answers, as
        on SQLite, once that has begun."""
        held = self._held(to_read=False)
        return held is not None and bool(bottle.request.environ[self._key].has_begun())

    def _held(self, to_read: bool) -> sqlalchemy.Connection | None:
        """The connection that the request which this thread answers holds, as far as it can be lent."""
        session = self._session_of_request()
        return None if session is None else session.lend(to_read)

    def _session_of_request(self) -> RequestSession | None:
        try:
            return bottle.request.environ.get(self._key)  # type: ignore[no-any-return]
        except RuntimeError:
            return None

    def _watched(self, engine: sqlalchemy.Engine) -> sqlalchemy.Engine:
        if self._watch:
            from demijohn.database.leaks import watch

            watch(engine)
        if self._tell is not None:
            from demijohn.database.timing import time_statements

            time_statements(engine, self._tell)
        return engine

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
        named = keyword in inspect.signature(route.callback).parameters
        request = bottle.request
        insists = not route.config.get("replica", True)

        def with_database(*args: Any, **kwargs: Any) -> Any:
            if named:
                kwargs[keyword] = self.open(request.environ)
            try:
                if insists:
                    self.open(request.environ).use_primary()
                result = callback(*args, **kwargs)  # it may use the session by `Note.get(5)` or `site.db.session`, too
                return guard(result) if type(result) is GeneratorType else result
            except Exception as error:
                refuse(error)
                raise

        return with_database

    def open(self, environ: dict[str, Any]) -> RequestSession:
        """The session of the request with this environ; the same one each time."""
        session: RequestSession | None = environ.get(self._key)
        if session is None:
            writes = environ["REQUEST_METHOD"] not in _SAFE
            replicas = self.replicas
            if replicas is None:
                session = self._make(writes)
                participant = InRequest(session, environ, self._key)
            else:
                session = self._make(writes) if writes or replicas.has_written(environ) else replicas.session()
                participant = InReplicatedRequest(session, environ, self._key, replicas)
            lifetime.join(lifetime.joined(environ), participant)
            environ[self._key] = session
        return session

    def close(self) -> None:
        """Close the connections at rest. The next use opens new ones."""
        if self._engine is not None:
            self._engine.dispose()
        if self._replicas is not None:
            self._replicas.close()

    def _make(self, writes: bool) -> RequestSession:
        if self._session_class is None:
            from demijohn.database.orm import RequestSession

            self._session_class = RequestSession
        return self._session_class(self.engine, writes)


def _result(connection: sqlalchemy.Connection, statement: Any, parameters: Any) -> tuple[list[Any], int]:
    from demijohn.database.dialects import ALONE

    result = connection.execute(statement, parameters, execution_options={ALONE: True})
    return (list(result), 0) if result.returns_rows else ([], result.rowcount)


def _line() -> str:
    from demijohn.database.leaks import line

    return line(sys._getframe(1))
