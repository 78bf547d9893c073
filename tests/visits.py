"""A plain Bottle app whose handlers use their session, on each of the stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bottle
import pytest

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.sessions import Sessions
from demijohn.sessions.stores import Store
from demijohn.sessions.stores.memcached import MemcachedStore
from demijohn.sessions.stores.memory import MemoryStore
from demijohn.sessions.stores.sql import SqlStore
from tests.client import Client
from tests.services import Memcached as MemcachedServer

SECRET = "a secret of the tests"
STORES = ["memory", "sqlite", "mariadb", "postgresql", "memcached-pylibmc", "memcached-pymemcache"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    kind, _, client = request.param.partition("-")
    if kind == "memory":
        yield MemoryStore()
    elif kind == "memcached":
        if client == "pylibmc":
            pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python", exc_type=ImportError)
        server: MemcachedServer = request.getfixturevalue("memcached")
        pool = Memcached([server.address], prefix="test", client=client)
        yield MemcachedStore(pool)
        pool.close()
    else:
        db = Database(request.getfixturevalue(f"{kind}_url"))
        store = SqlStore(db.alone, db.metadata)
        db.create_all()
        yield store
        db.close()


class Visits:
    """A plain Bottle app whose handlers use their session."""

    def __init__(self, store: Store, **options: Any) -> None:
        self.store = store
        self.app = bottle.Bottle()
        self.sessions: Sessions = self.app.install(Sessions({"secret": SECRET, **options}, store=store))
        route = self.app.route
        route("/untouched", callback=lambda session: "untouched")
        route("/data", callback=self.data)
        route("/set/<key>/<value>", callback=self.set)
        route("/set-and-save/<key>/<value>", callback=self.set_and_save)
        route("/append", callback=self.append)
        route("/rotate", callback=lambda session: session.regenerate_id())
        route("/invalidate", callback=lambda session: session.invalidate())
        route("/delete", callback=lambda session: session.delete())
        route("/fail/<status:int>", callback=self.fail)
        route("/object", callback=self.object)
        route("/large", callback=self.large)
        route("/flash", callback=lambda session: session.flash("well done", "success"))
        route("/flashes", callback=lambda session: {"texts": [(text, text.category) for text in session.flashes()]})
        route("/environ", callback=lambda: str(bottle.request.environ["beaker.session"].get("a")))

    def visitor(self) -> Client:
        return Client(self.app)

    @staticmethod
    def data(session: Any) -> dict[str, Any]:
        return {key: value for key, value in session.items() if not key.startswith("_")}

    @staticmethod
    def set(session: Any, key: str, value: str) -> None:
        session[key] = value

    @staticmethod
    def set_and_save(session: Any, key: str, value: str) -> None:
        session[key] = value
        session.save()

    @staticmethod
    def append(session: Any) -> None:
        session.setdefault("list", []).append("x")

    @staticmethod
    def fail(session: Any, status: int) -> Any:
        session["failed"] = status
        return bottle.HTTPError(status, "failed")

    @staticmethod
    def object(session: Any) -> None:
        session["thing"] = {"inside": object()}

    @staticmethod
    def large(session: Any) -> None:
        session["large"] = "x" * 1_000_001


@pytest.fixture
def visits(store: Store) -> Visits:
    return Visits(store)


def data(visitor: Client) -> dict[str, Any]:
    answer = visitor.get("/data")
    assert answer.status == 200
    return answer.json  # type: ignore[no-any-return]


def overlap(visits: Visits, visitor: Client, first: Callable[[Any], Any], second: Callable[[], Any]) -> None:
    """`first` handles a request that has read its session, `second` happens, then the first request ends."""

    @visits.app.get("/slow")
    def slow(session: Any) -> None:
        session.get("anything")
        second()
        first(session)

    assert visitor.get("/slow").status == 200
