"""A plain Bottle app whose handlers use their session, on each of the stores, and those who visit it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import bottle
import pytest
import sqlalchemy

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.sessions import Sessions, kept
from demijohn.sessions.cookie import new_id
from demijohn.sessions.stores.base import Record
from demijohn.sessions.stores.cached import CachedSqlStore
from demijohn.sessions.stores.memcached import MemcachedStore
from demijohn.sessions.stores.memory import MemoryStore
from demijohn.sessions.stores.sql import TABLE, SqlStore
from tests.client import Answer, Client
from tests.services import Database as DatabaseServer
from tests.services import Memcached as MemcachedServer

T = TypeVar("T")
SECRET = "a secret of the tests"
CLIENTS = ["pylibmc", "pymemcache", "bmemcached"]
#: Each store, on each database and with each client that it can have.
STORES = [
    "memory",
    "cookie",
    "redis",
    "sql-sqlite",
    "sql-mariadb",
    "sql-postgresql",
    *(f"memcached-{client}" for client in CLIENTS),
    "cached-mariadb-pylibmc",
    "cached-postgresql-pymemcache",
    "cached-mariadb-bmemcached",
]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Any]:
    with made(request.param, request) as store:
        yield store


@pytest.fixture
def twin(request: pytest.FixtureRequest, store: Any) -> Iterator[Any]:
    """The store as another process of the same site has it: with connections of its own. None where it would be another
    site's: the memory of a process is its own."""
    name = request.node.callspec.params["store"]
    if name == "memory":
        yield None
        return
    with made(name, request, make_table=False) as store:
        yield store


@contextmanager
def made(name: str, request: pytest.FixtureRequest, prefix: str = "test", make_table: bool = True) -> Iterator[Any]:
    """The store of this name in `STORES`, on a server of the tests."""
    kind, *rest = name.split("-")
    with ExitStack() as stack:
        pool = db = None
        if kind in ("memcached", "cached"):
            needs(rest[-1])
            server: MemcachedServer = request.getfixturevalue("memcached")
            pool = Memcached([server.address], prefix=prefix, client=rest[-1])
            stack.callback(pool.close)
        if kind in ("sql", "cached"):
            db = Database(_url(rest[0], request))
            stack.callback(db.close)
        store = _make(kind, pool, db, prefix, request)
        stack.callback(store.close)
        if db is not None and make_table:
            db.create_all()
            db.alone(sqlalchemy.delete(db.metadata.tables[TABLE]), {})
        yield store


@pytest.fixture(scope="session")
def visited() -> dict[str, str]:
    """The urls of the databases that the stores of these tests have: one a server, for a new one takes its time."""
    return {}


def _url(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server: DatabaseServer = request.getfixturevalue(kind)
    urls: dict[str, str] = request.getfixturevalue("visited")
    if kind not in urls:
        urls[kind] = server.create(f"visits_{os.getpid()}")
    return urls[kind]


def needs(client: str) -> None:
    if client == "pylibmc":
        pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)


def _make(kind: str, pool: Memcached | None, db: Database | None, prefix: str, request: pytest.FixtureRequest) -> Any:
    if kind == "cookie":
        from demijohn.sessions.stores.cookie import CookieStore

        return CookieStore([SECRET], "session")
    if kind == "redis":
        from demijohn.sessions.stores.redis import RedisStore

        return RedisStore.at(request.getfixturevalue("redis").url, prefix=prefix)
    if db is not None:
        sql = SqlStore(db.alone, db.metadata)
        return sql if pool is None else CachedSqlStore(sql, pool)
    return MemoryStore() if pool is None else MemcachedStore(pool)


@pytest.fixture(autouse=True)
def _nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_told", {})


class Clock:
    #: Seconds by which `time.time()` is ahead of the servers' clocks.
    ahead = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, now = Clock(), time.time
    monkeypatch.setattr(time, "time", lambda: now() + clock.ahead)
    return clock


class Visits:
    """A plain Bottle app whose handlers use their session."""

    def __init__(self, store: Any, **options: Any) -> None:
        self.store = store
        self.app = bottle.Bottle()
        self.sessions: Sessions = self.app.install(Sessions({"secret": SECRET, **options}, store=store))
        route = self.app.route
        route("/do", method="ANY", callback=lambda session: bottle.request.environ["test.handler"](session))
        route("/untouched", callback=lambda session: "untouched")
        route("/data", callback=data_of)
        route("/set/<key>/<value>", callback=lambda session, key, value: session.update({key: value}))

    def visitor(self, cookie: str | None = None) -> Visitor:
        """:param cookie: the value of the cookie that this visitor has from somewhere."""
        visitor = Visitor(self)
        if cookie is not None:
            visitor.cookie = cookie
        return visitor


class Visitor(Client):
    """A visitor who can ask for anything to be done with the session."""

    def __init__(self, visits: Visits) -> None:
        super().__init__(visits.app)
        self.visits = visits
        self._key = visits.sessions.options.cookie.key

    def send(self, handler: Callable[[Any], Any], method: str = "GET", **environ: Any) -> Answer:
        """A request that `handler(session)` answers."""
        return self.ask(method, "/do", **{"test.handler": handler, **environ})

    def run(self, handler: Callable[[Any], T]) -> T:
        """What `handler(session)` returns, in a request that goes well."""
        returned: list[T] = []
        answer = self.send(lambda session: returned.append(handler(session)))
        assert answer.status == 200, answer.errors or answer.text
        return returned[0]

    def set(self, **values: Any) -> None:
        self.run(lambda session: session.update(values))

    def data(self) -> dict[str, Any]:
        """All that the site has put in."""
        return self.run(data_of)

    @property
    def cookie(self) -> str:
        """The value of the session's cookie."""
        return self.cookies[self._key]

    @cookie.setter
    def cookie(self, value: str) -> None:
        self.cookies[self._key] = value

    def record(self) -> Record | None:
        """What is kept of the session."""
        store, opened = self.visits.store, None
        if store.name == "cookie":
            record: Record | None = store.open(self.cookie)
            return record
        opened = self.visits.sessions.options.seal.open(self.cookie)
        return None if opened is None else store.read(*opened)

    def plant(self, payload: bytes) -> None:
        """Come with a session that somebody else has written."""
        if self.visits.store.name == "cookie":
            self.cookie = self.visits.store.seal(payload, int(time.time()) + 600)
            return
        id = new_id()
        assert self.visits.store.add(id, payload, 600) is not None
        self.cookie = self.visits.sessions.options.seal.close(id)


def data_of(session: Any) -> dict[str, Any]:
    return {key: value for key, value in session.items() if not key.startswith("_")}


@pytest.fixture
def visits(store: Any) -> Visits:
    return Visits(store)


@pytest.fixture
def visitor(visits: Visits) -> Visitor:
    """A visitor whose session has begun."""
    visitor = visits.visitor()
    visitor.set(a="1")
    return visitor


def elsewhere(call: Callable[[], T]) -> T:
    """What `call` returns, in a thread of its own: Bottle knows one request a thread."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((call(), None))
        except BaseException as error:
            outcome.extend((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    returned, error = outcome
    if error is not None:
        raise error
    return returned  # type: ignore[no-any-return]


def overlap(visitor: Visitor, first: Callable[[Any], Any], second: Callable[[], Any]) -> None:
    """`first` handles a request that has read its session, `second` happens, then the first request ends."""

    def slow(session: Any) -> None:
        session.get("anything")
        elsewhere(second)
        first(session)

    visitor.run(slow)


def watched(store: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the store's methods, as they are called from now on."""
    calls: list[str] = []

    def watch(name: str) -> None:
        method = getattr(store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return method(*args, **kwargs)

        monkeypatch.setattr(store, name, call)

    for name in ("read", "add", "replace", "touch", "delete", "lock", "unlock", "of", "end", "seal"):
        if hasattr(store, name):
            watch(name)
    return calls


def fails(log: pytest.LogCaptureFixture, answer: Answer) -> str:
    """What the log and the server's own say of an answer that is a 500."""
    assert answer.status == 500, answer
    return log.text + answer.errors
