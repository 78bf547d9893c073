"""The database, by the same tests on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bottle
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from demijohn.database import Database
from demijohn.database.dialects import is_read
from demijohn.errors import DriverMissingError, NoDatabaseError
from tests.client import Client
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


def test_not_connected_before_it_is_used(shop: Shop) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> str:
        return "unused"

    shop.db.close()
    connections = shop.db.engine.pool.checkedin()  # type: ignore[attr-defined]
    assert shop.client.get("/").text == "unused"
    assert shop.db.engine.pool.checkedin() == connections == 0  # type: ignore[attr-defined]


def test_a_write_in_a_safe_request_is_whole_or_not_at_all(shop: Shop) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> str:
        db.scalars(select(shop.Note)).all()
        db.execute(text("INSERT INTO notes (text, count) VALUES ('one', 0)"))
        db.add(shop.Note(text="two"))
        db.flush()
        db.add(shop.Note(text="two"))
        with pytest.raises(IntegrityError):
            db.flush()
        return "ok"

    assert shop.client.get("/").status == 500, "what was swallowed cannot be kept, and that is not a 200"
    assert shop.texts() == set()
    assert shop.checked_out == 0


def test_a_refused_value_is_a_400(shop: Shop) -> None:
    if shop.db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite takes texts of any length: there is nothing to refuse")

    @shop.app.post("/")
    def handler(db: Any) -> str:
        db.add(shop.Note(text="x" * 51))
        return "ok"

    answer = shop.client.post("/")
    assert answer.status == 400
    assert "too long" in answer.text
    assert shop.texts() == set()


def test_savepoints(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="outer"))
        savepoint = db.begin_nested()
        db.add(shop.Note(text="inner"))
        db.flush()
        savepoint.rollback()
    assert shop.texts() == {"outer"}


def test_a_savepoint_in_a_safe_request(shop: Shop) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> Any:
        with db.begin_nested():
            db.add(shop.Note(text="inner"))
        return bottle.HTTPError(409, "no")

    assert shop.client.get("/").status == 409
    assert shop.texts() == set()


def test_a_unit_commits_at_its_end_and_rolls_back_on_an_error(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="kept"))

    def fail() -> None:
        with shop.db.unit() as db:
            db.add(shop.Note(text="dropped"))
            db.flush()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert shop.texts() == {"kept"}
    assert shop.checked_out == 0


def test_a_unit_in_each_of_ten_threads(shop: Shop) -> None:
    def work(number: int) -> None:
        with shop.db.unit() as db:
            db.add(shop.Note(text=f"thread {number}"))

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(work, range(10)))
    assert len(shop.texts()) == 10
    assert shop.checked_out == 0


def test_no_update_is_lost_in_fifty_threads(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(id=1, text="counter"))
    seen: set[int] = set()

    @shop.app.post("/count")
    def count(db: Any) -> str:
        note = db.scalars(select(shop.Note).where(shop.Note.id == 1).with_for_update()).one()
        note.count += 1
        return str(id(db))

    @shop.app.post("/atomic")
    def atomic(db: Any) -> str:
        db.execute(update(shop.Note).where(shop.Note.id == 1).values(count=shop.Note.count + 1))
        return "ok"

    @shop.app.get("/read")
    def read(db: Any) -> str:
        seen.add(db.scalars(select(shop.Note)).one().count)
        return "ok"

    def visit(number: int) -> list[int]:
        client = Client(shop.app)
        asked = [("POST", "/count"), ("GET", "/read"), ("POST", "/atomic"), ("GET", "/read")]
        return [client.ask(method, path).status for method, path in asked * 2]

    with ThreadPoolExecutor(50) as threads:
        statuses = [status for answer in threads.map(visit, range(50)) for status in answer]
    assert statuses == [200] * 400
    with shop.db.unit() as db:
        assert db.scalars(select(shop.Note)).one().count == 200
    assert shop.checked_out == 0


def test_a_fork_leaves_the_parent_s_connections_alone(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="before the fork"))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if shop.texts() == {"before the fork"} else 1)
        finally:
            os._exit(2)
    assert shop.texts() == {"before the fork"}
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert shop.texts() == {"before the fork"}


def test_create_all_names_what_it_made(database_url: str) -> None:
    shop = Shop(database_url)
    assert shop.db.create_all() == []
    shop.db.close()


def test_two_databases_need_two_names(sqlite_url: str) -> None:
    app = bottle.Bottle()
    app.install(Database(sqlite_url))
    with pytest.raises(bottle.PluginError, match="another keyword"):
        app.install(Database(sqlite_url))


def test_foreign_keys_hold_on_sqlite_too(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    db.close()


def test_what_is_a_read() -> None:
    reads = [
        "SELECT 1",
        "  select * from notes",
        "(SELECT 1) UNION (SELECT 2)",
        "-- why\nSELECT 1",
        "/* why */ SELECT 1",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "PRAGMA table_info(notes)",
    ]
    writes = [
        "INSERT INTO notes VALUES (1)",
        "UPDATE notes SET x = 1",
        "DELETE FROM notes",
        "SELECT * FROM notes FOR UPDATE",
        "SELECT * FROM notes FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT * FROM notes LOCK IN SHARE MODE",
        "WITH gone AS (DELETE FROM notes RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM notes",
        "CREATE TABLE selected (id int)",
        "SAVEPOINT a",
        "CALL something()",
    ]
    assert [sql for sql in reads if not is_read(sql)] == []
    assert [sql for sql in writes if is_read(sql)] == []


def test_a_driver_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    db = Database("postgresql+psycopg://user:password@localhost/name")
    with pytest.raises(
        DriverMissingError, match=r"psycopg, is not installed\. Install it: pip install 'demijohn\[postgr"
    ):
        _ = db.engine


def test_without_a_database_it_is_told() -> None:
    with pytest.raises(NoDatabaseError, match="Set it, or DATABASE_URL"):
        _ = Database("").engine
