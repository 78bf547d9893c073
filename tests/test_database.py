"""The database, by the same tests on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bottle
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError

from demijohn.database import Database
from demijohn.database.dialects import is_read
from demijohn.errors import DriverMissingError, NoDatabaseError, OutsideRequestError
from tests.client import Client
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


Write = Callable[[Any, str], Any]


def plain(add: Callable[[], None]) -> str:
    add()
    return "ok"


def streamed(add: Callable[[], None]) -> Iterator[str]:
    add()
    yield "one"
    yield "two"


def aborted(add: Callable[[], None]) -> str:
    add()
    bottle.abort(409, "no")
    return ""


def returned(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPError(404, "no")


def responded(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPResponse("body", status=201)


def refused(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPResponse("body", status=422)


def redirected(add: Callable[[], None]) -> str:
    add()
    bottle.redirect("/elsewhere")
    return ""


def raised(add: Callable[[], None]) -> str:
    add()
    raise ValueError("a slip")


def unserialisable(add: Callable[[], None]) -> Any:
    add()
    return {"value": object()}


def broken_stream(add: Callable[[], None]) -> Iterator[str]:
    add()
    if add is not None:
        raise ValueError("a slip")
    yield "never"


@pytest.mark.parametrize(
    ("write", "status", "kept"),
    [
        (plain, 200, True),
        (streamed, 200, True),
        (responded, 201, True),
        (redirected, 303, True),
        (aborted, 409, False),
        (returned, 404, False),
        (refused, 422, False),
        (raised, 500, False),
        (unserialisable, 500, False),
        (broken_stream, 500, False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_kept_below_400_and_dropped_otherwise(
    shop: Shop, write: Callable[[Callable[[], None]], Any], status: int, kept: bool, method: str
) -> None:
    @shop.app.route("/", method=method)
    def handler(db: Any) -> Any:
        def add() -> None:
            db.add(shop.Note(text="new"))
            db.flush()

        return write(add)

    answer = shop.client.ask(method, "/", SERVER_PROTOCOL="HTTP/1.1")
    assert answer.status == status
    assert shop.texts() == ({"new"} if kept else set())
    assert shop.checked_out == 0
    assert "Traceback" not in answer.text


def test_committed_before_the_first_byte_and_again_at_the_end_of_a_stream(shop: Shop) -> None:
    @shop.app.post("/")
    def handler(db: Any) -> Iterator[str]:
        db.add(shop.Note(text="before"))
        yield "one"
        db.add(shop.Note(text="during"))
        yield "two"

    started = shop.client.begin("POST", "/")
    assert next(started.pieces) == b"one"
    assert shop.texts() == {"before"}
    assert list(started.pieces) == [b"two"]
    assert shop.texts() == {"before", "during"}
    started.close()
    assert shop.checked_out == 0


def test_a_visitor_who_hangs_up_leaves_nothing_half_done(shop: Shop) -> None:
    @shop.app.post("/")
    def handler(db: Any) -> Iterator[str]:
        db.add(shop.Note(text="before"))
        yield "one"
        db.add(shop.Note(text="during"))
        db.flush()
        yield "two"
        yield "three"

    started = shop.client.begin("POST", "/")
    assert [next(started.pieces), next(started.pieces)] == [b"one", b"two"]
    started.close()
    assert shop.texts() == {"before"}
    assert shop.checked_out == 0


def test_head_keeps_and_sends_nothing(shop: Shop) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> str:
        return str(db.scalar(select(func.count()).select_from(shop.Note)))

    answer = shop.client.ask("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
    assert shop.checked_out == 0


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


def test_a_session_that_outlives_its_request_says_so(shop: Shop) -> None:
    kept = []

    @shop.app.get("/")
    def handler(db: Any) -> str:
        db.scalars(select(shop.Note)).all()
        kept.append(db)
        return "ok"

    shop.client.get("/")
    with pytest.raises(InvalidRequestError, match="closed"):
        kept[0].scalars(select(shop.Note)).all()


def test_the_request_s_session_for_hooks_and_helpers(shop: Shop) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> str:
        return str(shop.db.session is db)

    assert shop.client.get("/").text == "True"

    answers = []

    def outside() -> None:
        with pytest.raises(OutsideRequestError, match=r"with site\.db\.unit\(\) as db") as caught:
            _ = shop.db.session
        answers.append(str(caught.value))

    thread = threading.Thread(target=outside)
    thread.start()
    thread.join()
    assert len(answers) == 1


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
