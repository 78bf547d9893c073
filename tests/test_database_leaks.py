"""The detector of connections that are taken and not given back: what it names, and when it keeps silent."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session

from demijohn import Site
from demijohn.errors import DemijohnError
from tests.client import Client
from tests.services import PATIENCE, MariaDB
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url, watch=True, pool_size=2, max_overflow=0, pool_timeout=0.1)
    yield shop
    shop.db.close()


@pytest.fixture
def kept() -> Iterator[list[Any]]:
    """What keeps things from the garbage collector."""
    kept: list[Any] = []
    yield kept
    for thing in kept:
        thing.close()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def line(function: Any, number: int = 1) -> str:
    """Where a function, or the line so many below its first, stands."""
    return f"{__file__}:{function.__code__.co_firstlineno + number}"


def test_a_connection_that_was_not_closed(shop: Shop, kept: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    def take() -> Any:
        return shop.db.engine.connect()

    @shop.app.get("/notes")
    def handler() -> str:
        kept.append(take())
        return "ok"

    assert shop.client.get("/notes").status == 200
    told = (
        f"GET /notes has ended and not given back the database connection that it took at {line(take)}. Use `with`, or "
        "close() it: each one lost leaves one less for all requests."
    )
    assert said(caplog) == [told]
    assert shop.client.get("/nowhere").status == 404
    assert said(caplog) == [told], "it is told once"


def test_a_session_that_was_not_closed(shop: Shop, kept: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    def read(session: Session) -> None:
        session.scalars(
            select(shop.Note),
        ).all()

    @shop.app.get("/")
    def handler() -> str:
        kept.append(Session(shop.db.engine))
        read(kept[0])
        return "ok"

    shop.client.get("/")
    assert len(said(caplog)) == 1
    assert f"that it took at {line(read)}" in said(caplog)[0]


def test_a_unit_that_was_never_left(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    units = []

    def ask(db: Any) -> None:
        db.scalar(text("SELECT 1"))

    @shop.app.get("/")
    def handler() -> str:
        units.append(shop.db.unit())
        ask(units[0].__enter__())
        return "ok"

    shop.client.get("/")
    assert len(said(caplog)) == 1
    assert f"that it took at {line(ask)}" in said(caplog)[0]
    units[0].__exit__(None, None, None)
    assert shop.checked_out == 0


def test_a_connection_that_was_dropped(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """The garbage collector gives it back, some time."""

    def drop() -> None:
        connection = shop.db.engine.connect()
        connection.execute(text("SELECT 1"))

    @shop.app.get("/")
    def handler() -> str:
        drop()
        gc.collect()
        assert shop.checked_out == 0
        return "ok"

    shop.client.get("/")
    assert said(caplog) == [
        f"GET / took a database connection at {line(drop)} and dropped it, to be found by the garbage collector. Give "
        "it back: use `with`, or close()."
    ]


def test_a_stream_is_looked_at_when_it_has_ended(shop: Shop, kept: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    @shop.app.get("/<leaks:int>")
    def handler(db: Any, leaks: int) -> Iterator[str]:
        db.scalars(select(shop.Note)).all()
        yield "one"
        if leaks:
            kept.append(shop.db.engine.connect())
        yield "two"

    for leaks in (0, 1):
        started = shop.client.begin("GET", f"/{leaks}")
        assert [next(started.pieces), next(started.pieces)] == [b"one", b"two"]
        assert said(caplog) == [], "it is still going on, with its connection"
        started.close()
        assert len(said(caplog)) == leaks


def test_a_thread_that_goes_on_is_no_leak(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    taken, ended = threading.Event(), threading.Event()
    threads = []

    def work() -> None:
        with shop.db.unit() as db:
            db.scalar(text("SELECT 1"))
            taken.set()
            ended.wait(PATIENCE)

    @shop.app.get("/")
    def handler(db: Any) -> str:
        threads.append(threading.Thread(target=work))
        threads[0].start()
        taken.wait(PATIENCE)
        return str(len(db.scalars(select(shop.Note)).all()))

    assert shop.client.get("/").text == "0"
    assert shop.checked_out == 1
    ended.set()
    threads[0].join()
    assert shop.checked_out == 0
    assert said(caplog) == []


def test_what_is_given_back_is_no_leak(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """By whatever way: closed, detached, found dead, made again with its pool; and in requests that fail."""

    @shop.app.post("/<how>")
    def handler(db: Any, how: str) -> Any:
        if how == "session":
            db.add(shop.Note(text="new"))
            db.flush()
        elif how == "with":
            with shop.db.engine.connect() as connection, shop.db.unit() as unit:
                connection.execute(text("SELECT 1"))
                unit.scalar(text("SELECT 1"))
        elif how == "alone":
            shop.db.alone(select(shop.Note), {})
        elif how == "detached":
            connection = shop.db.engine.connect()
            connection.detach()
            connection.close()
        elif how == "dead":
            connection = shop.db.engine.connect()
            connection.invalidate()
            connection.close()
        elif how == "disposed" and shop.db.engine.dialect.name == "mysql":
            # psycopg, and sqlite3 from Python 3.13 on, are loud when one that a disposed pool has forgotten is dropped.
            db.scalar(text("SELECT 1"))
            shop.db.engine.dispose()
        elif how == "boom":
            db.add(shop.Note(text="boom"))
            db.flush()
            raise ValueError("a slip")
        return "ok"

    ways = ["session", "with", "alone", "detached", "dead", "disposed", "boom", "nothing"]
    for how in ways:
        assert shop.client.post(f"/{how}").status == (500 if how == "boom" else 200)
        gc.collect()
    assert said(caplog) == []


def test_a_read_that_is_repeated_on_a_fresh_connection_is_no_leak(
    mariadb: MariaDB, mariadb_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(mariadb_url, watch=True)
    shop.read_and_write()
    assert mariadb.hang_up() >= 1
    assert shop.client.get("/read").text == "first"
    assert said(caplog) == []
    assert shop.checked_out == 0
    shop.db.close()


def test_an_exhausted_pool_says_who_holds_it(shop: Shop, kept: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    def take() -> None:
        kept.append(shop.db.engine.connect())

    @shop.app.get("/take")
    def taking() -> str:
        take()
        return "ok"

    @shop.app.get("/read")
    def read(db: Any) -> str:
        return str(len(db.scalars(select(shop.Note)).all()))

    shop.client.get("/take")
    thread = threading.Thread(target=take, name="the nightly job")
    thread.start()
    thread.join()
    caplog.clear()
    assert shop.client.get("/read").status == 503
    assert len(said(caplog)) == 1
    lines = said(caplog)[0].splitlines()
    assert lines[0].endswith("Who holds connections:")
    assert lines[1].startswith(f"  {line(take)} took one 0.")
    assert "s ago (GET /take)" in lines[1]
    assert "s ago (in the nightly job)" in lines[2]
    kept[0].close()
    assert shop.client.get("/read").text == "0"


def test_a_part_of_the_framework_is_named_where_nobody_else_can_be(shop: Shop) -> None:
    """The session of a request that connects only as it commits: there is no line of the site."""
    from demijohn.database.leaks import line as innermost

    seen = []

    @event.listens_for(shop.db.engine, "checkout")
    def taken(*_: object) -> None:
        import sys

        seen.append(innermost(sys._getframe(1)))

    @shop.app.post("/")
    def handler(db: Any) -> str:
        db.add(shop.Note(text="new"))
        return "ok"

    assert shop.client.post("/").status == 200
    assert "/demijohn/database/" in seen[0]


def test_switched_on_in_development_only(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("demijohn: {}\n")
    seen = {}
    for environment in ("development", "production"):
        settings = {
            "environment": environment,
            "secret": "x" * 40,
            "database.url": f"sqlite:///{tmp_path / 'data.sqlite'}",
        }
        site = Site(tmp_path, settings)
        engine: Engine = site.db.engine
        seen[environment] = (len(engine.pool.dispatch.checkout), "raw_connection" in vars(engine))
        site.db.close()
    assert seen == {"development": (1, True), "production": (0, False)}


def test_two_databases_on_one_app(
    shop: Shop, sqlite_url: str, kept: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Several engines are watched, as replicas would be, and a request is named for each."""
    from demijohn.database.engine import make_engine
    from demijohn.database.leaks import watch

    other = make_engine(f"{sqlite_url}-other")
    watch(other)

    @shop.app.get("/")
    def handler() -> str:
        kept.append(shop.db.engine.connect())
        kept.append(other.connect())
        return "ok"

    assert Client(shop.app).get("/").status == 200
    assert len(said(caplog)) == 2
    kept.pop().close()
    other.dispose()


def test_no_engine_no_cost(sqlite_url: str) -> None:
    """Watching asks nothing of a request that uses no database."""
    shop = Shop(sqlite_url, watch=True)
    shop.app.get("/", callback=lambda: "ok")
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    assert b"".join(shop.app(environ, lambda *_: None)) == b"ok"
    assert not [key for key in environ if key.startswith("demijohn.database")]
    with pytest.raises(DemijohnError):
        _ = shop.db.session
    shop.db.close()
