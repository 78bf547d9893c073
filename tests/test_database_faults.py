"""A connection that dies, by the same tests on MariaDB and PostgreSQL: killed by the server, and cut on its way."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tests.client import Answer
from tests.gate import Gate
from tests.gated import Place
from tests.services import until

#: The words of an answer that promises that nothing was kept.
PROMISE = "nothing was changed"


@pytest.fixture(params=["mariadb", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["killed", "cut"])
def place(request: pytest.FixtureRequest, kind: str) -> Iterator[Place]:
    server = request.getfixturevalue(kind)
    with Gate(server.port) as gate:
        place = Place(server, gate, request.getfixturevalue(f"{kind}_url"), request.param == "killed")
        yield place
        assert place.shop.checked_out == 0
        place.close()


def is_refused(answer: Answer) -> None:
    """The answer to a request that can be tried again."""
    assert answer.status == 503
    assert answer.header("Retry-After") == "2"
    assert PROMISE in answer.text
    assert "Traceback" not in answer.text


READS: dict[str, Callable[[Place, Any], object]] = {
    "scalars": lambda place, db: db.scalars(select(place.Note).where(place.Note.id == 1)).one().text,
    "get": lambda place, db: db.get(place.Note, 1).text,
    "get with options": lambda place, db: db.get(place.Note, 1, populate_existing=True).text,
    "columns": lambda place, db: db.execute(select(place.Note.text).where(place.Note.id == 1)).scalar_one(),
    "text": lambda place, db: db.execute(text("SELECT text FROM notes WHERE id = 1")).scalar_one(),
    "text with values": lambda place, db: db.scalar(text("SELECT text FROM notes WHERE id = :id"), {"id": 1}),
    "query": lambda place, db: db.query(place.Note).filter_by(id=1).one().text,
    "connection": lambda place, db: db.connection().scalar(select(place.Note.text).where(place.Note.id == 1)),
    "driver's sql": lambda place, db: db.connection().exec_driver_sql("SELECT text FROM notes WHERE id = 1").scalar(),
    "page by page": lambda place, db: (
        db.scalars(select(place.Note).order_by(place.Note.id).execution_options(yield_per=1)).all()[0].text
    ),
    "streamed": lambda place, db: (
        db.scalars(select(place.Note).where(place.Note.id == 1).execution_options(stream_results=True)).one().text
    ),
    "locked": lambda place, db: db.scalars(select(place.Note).where(place.Note.id == 1).with_for_update()).one().text,
    "savepoint": lambda place, db: _in_savepoint(db, lambda: db.get(place.Note, 1).text),
}


def _in_savepoint(db: Any, act: Callable[[], object]) -> object:
    with db.begin_nested():
        return act()


def test_dead_before_the_request(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    asked = [("HEAD", "scalars"), ("POST", "scalars"), ("POST", "streamed"), *(("GET", name) for name in READS)]
    for method, name in asked:
        place.route(partial(READS[name], place))
        place.break_off()
        answer = place.client.ask(method, "/asked")
        assert (answer.status, answer.text) == (200, "" if method == "HEAD" else "first"), (method, name)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


#: Those that hold no lock, and read no pages of one result.
PLAIN = [name for name in READS if name not in ("page by page", "streamed", "locked", "savepoint")]


def test_dead_between_two_reads_of_one_handler(place: Place) -> None:
    def handler(db: Any) -> str:
        kept, fresh = db.get(place.Note, 2), place.Note(text="unsaved")
        for name in PLAIN:
            place.break_off()
            assert READS[name](place, db) == "first", name
        assert db.get(place.Note, 2) is kept
        assert (kept.text, fresh.text) == ("second", "unsaved")
        return "ok"

    assert place.get(handler).text == "ok"


def test_a_lazy_relationship_loads_after_the_cut(place: Place) -> None:
    def handler(db: Any) -> str:
        note = db.scalars(select(place.Note).where(place.Note.id == 1)).one()
        place.break_off()
        return str(len(note.lines))

    assert place.get(handler).text == "2"


def test_what_waits_to_be_written_is_written_once(place: Place) -> None:
    def handler(db: Any) -> str:
        db.get(place.Note, 2).text = "changed"
        db.add_all(place.adds("new"))
        with db.no_autoflush:
            place.break_off()
            assert db.scalar(select(func.count()).select_from(place.Note)) == 2
        return "ok"

    assert place.get(handler).status == 200
    assert place.texts() == {"first", "changed", "new"}


def test_an_answer_that_is_lost_on_its_way_is_asked_for_again(place: Place) -> None:
    place.gate.after("FROM notes", place.gate.cut)  # who kills waits until none is left, and there is a new one
    assert place.get(lambda db: READS["scalars"](place, db)).text == "first"
    until(lambda: place.gate.has_sprung, "It was not cut.")


WAITING = {
    "mariadb": "SELECT id FROM information_schema.processlist WHERE state LIKE '%metadata lock%'",
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'site'",
}
LOCK = {"mariadb": "LOCK TABLES notes WRITE", "postgresql": "LOCK TABLE notes IN ACCESS EXCLUSIVE MODE"}
KILL = {"mariadb": "KILL {}", "postgresql": "SELECT pg_terminate_backend({})"}


def test_killed_while_the_server_works_on_a_read(place: Place, kind: str) -> None:
    answers: list[Answer] = []
    keeper = place.aside()
    keeper.exec_driver_sql(LOCK[kind])
    thread = threading.Thread(target=lambda: answers.append(place.get(lambda db: READS["scalars"](place, db))))
    thread.start()
    ((waiting,),) = until(lambda: place.server.execute(WAITING[kind]), "The read does not wait.")
    before = place.gate.connections
    place.server.execute(KILL[kind].format(waiting))
    until(lambda: answers or place.gate.connections > before, "It is not asked again.")
    keeper.invalidate()
    keeper.close()
    thread.join()
    assert place.gate.connections == before + 1
    assert [(answer.status, answer.text) for answer in answers] == [(200, "first")]


def test_dead_before_a_write(place: Place) -> None:
    place.break_off()
    assert place.post(lambda db: db.add_all(place.adds("new"))).status == 200
    assert place.texts() == {"first", "second", "new"}


WRITES: dict[str, Callable[[Place, Any], object]] = {
    "flush": lambda place, db: (db.add_all(place.adds("one", "two")), db.flush()),
    "insert": lambda place, db: db.execute(insert(place.Note).values(text="one", count=0)),
    "many": lambda place, db: db.execute(insert(place.Note), [{"text": f"{n}", "count": n} for n in range(9)]),
    "update": lambda place, db: db.execute(update(place.Note).values(count=7)),
    "text": lambda place, db: db.execute(text("INSERT INTO notes (text, count) VALUES ('one', 0)")),
    "delete": lambda place, db: db.execute(delete(place.Line)),
    "savepoint": lambda place, db: _in_savepoint(db, lambda: db.add_all(place.adds("one"))),
    "lock": lambda place, db: db.scalars(select(place.Note).with_for_update()).all(),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_dead_before_the_first_write_of_a_request(place: Place, method: str) -> None:
    for name, write in WRITES.items():

        def handler(db: Any, write: Any = write) -> str:
            write(place, db)
            return "ok"

        before = place.texts()
        place.break_off()
        answer = place.ask(method, handler)
        assert answer.status == 200, name
        assert len(place.texts() - before) == {"flush": 2, "many": 9}.get(name, name in ("insert", "text", "savepoint"))
        with place.db.unit() as db:
            db.execute(delete(place.Note).where(place.Note.id > 2))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("then", ["read", "write", "nothing"])
def test_dead_after_the_first_write(place: Place, method: str, then: str) -> None:
    for write in WRITES.values():

        def handler(db: Any, write: Any = write) -> str:
            db.execute(update(place.Note).where(place.Note.id == 1).values(text="half"))
            write(place, db)
            place.break_off()
            if then == "read":
                db.scalars(select(place.Note.id)).all()
            elif then == "write":
                db.add_all(place.adds("three"))
                db.flush()
            return "ok"

        answer = place.ask(method, handler)
        if then == "nothing":  # the COMMIT may have been heard, for all that anyone can tell
            assert (answer.status, answer.header("Retry-After")) == (503, "2")
        else:
            is_refused(answer)
        assert place.texts() == {"first", "second"}
    assert place.get(lambda db: READS["scalars"](place, db)).text == "first"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cut_before_the_commit(place: Place, method: str) -> None:
    place.gate.before("COMMIT", place.break_off)
    answer = place.ask(method, lambda db: db.add_all(place.adds("new")))
    assert (answer.status, answer.header("Retry-After")) == (503, "2")
    until(lambda: place.gate.has_sprung, "It was not cut.")
    assert place.texts() == {"first", "second"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_commit_whose_answer_is_lost_is_no_200_and_promises_nothing(place: Place, method: str) -> None:
    place.gate.after("COMMIT", place.break_off)
    answer = place.ask(method, lambda db: db.add_all(place.adds("new")))
    assert answer.status == 503
    until(lambda: place.gate.has_sprung, "It was not cut.")
    assert place.texts() == {"first", "second", "new"}
    assert PROMISE not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("then", [None, "read", "write"])
def test_a_handler_that_swallows_the_error_gets_no_200(place: Place, method: str, then: str | None) -> None:
    for write in ("flush", "text"):

        def handler(db: Any, write: str = write) -> str:
            db.execute(update(place.Note).where(place.Note.id == 1).values(text="half"))
            place.break_off()
            with contextlib.suppress(DBAPIError):
                WRITES[write](place, db)
            with contextlib.suppress(SQLAlchemyError):
                if then == "read":
                    db.scalars(select(place.Note.id)).all()
                elif then == "write":
                    db.execute(insert(place.Note).values(text="late", count=0))
            return "ok"

        assert place.ask(method, handler).status in (500, 503)
        assert place.texts() == {"first", "second"}


def test_a_handler_that_rolls_back_may_begin_again(place: Place) -> None:
    def handler(db: Any) -> str:
        db.add_all(place.adds("lost"))
        db.flush()
        place.break_off()
        with pytest.raises(DBAPIError):
            db.scalar(select(func.count()).select_from(place.Note))
        db.rollback()
        db.add_all(place.adds("kept"))
        return "ok"

    assert place.post(handler).status == 200
    assert place.texts() == {"first", "second", "kept"}


def test_a_stream_that_reads_goes_on(place: Place) -> None:
    def handler(db: Any) -> Iterator[str]:
        yield db.get(place.Note, 1).text
        place.break_off()
        yield db.get(place.Note, 2).text

    assert place.get(handler).text == "firstsecond"


@pytest.mark.parametrize("then", ["read", "nothing"])
def test_a_stream_that_had_begun_to_write_is_broken_off(place: Place, then: str) -> None:
    def handler(db: Any) -> Iterator[str]:
        db.add_all(place.adds("before"))
        yield "one"
        db.add_all(place.adds("during"))
        db.flush()
        place.break_off()
        if then == "read":
            db.scalars(select(place.Note.id)).all()
        yield "two"

    place.route(handler)
    started = place.client.begin("POST", "/asked")
    with pytest.raises(Exception, match=r"(?i)lost|gone|closed|terminat|reset|answering"):
        list(started.pieces)
    started.close()
    assert place.texts() == {"first", "second", "before"}


def test_a_result_that_is_read_page_by_page_is_not_begun_again(place: Place) -> None:
    def handler(db: Any) -> str:
        statement = select(place.Note.text).order_by(place.Note.id).execution_options(yield_per=1)
        with db.scalars(statement) as pages:
            seen = [next(pages)]
            place.break_off()
            return ",".join(seen + list(pages))

    answer = place.get(handler)
    assert answer.status == 503 or answer.text == "first,second"


def test_a_unit_raises_and_keeps_nothing(place: Place) -> None:
    def lose() -> None:
        with place.db.unit() as db:
            db.add_all(place.adds("lost"))
            db.flush()
            place.break_off()

    with pytest.raises(DBAPIError):
        lose()
    assert place.texts() == {"first", "second"}
    place.break_off()
    with place.db.unit() as db:
        db.add_all(place.adds("kept"))
    assert place.texts() == {"first", "second", "kept"}


def test_a_statement_that_stands_alone_is_run_again(place: Place) -> None:
    place.break_off()
    changed = update(place.Note).where(place.Note.id == 1).values(text="changed")
    assert place.db.alone(changed, {})[1] == 1
    place.break_off()
    rows, _ = place.db.alone(select(place.Note.text).where(place.Note.id == 1), {})
    assert [tuple(row) for row in rows] == [("changed",)]
    assert place.texts() == {"changed", "second"}


def test_no_connection_of_a_dead_server_is_tried_twice(place: Place) -> None:
    with contextlib.ExitStack() as stack:
        for connection in [stack.enter_context(place.db.engine.connect()) for _ in range(5)]:
            connection.execute(text("SELECT 1"))
    before = place.gate.connections
    place.break_off()
    for _ in range(10):
        assert place.get(lambda db: READS["scalars"](place, db)).status == 200
    assert place.gate.connections == before + 1
