"""Sessions in threads, units of work, and what is left of a session when its request has ended."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.orm.exc import DetachedInstanceError

from demijohn.errors import OutsideRequestError, SessionEndedError
from tests.client import Client
from tests.services import PATIENCE
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url, pool_size=5, max_overflow=0)
    yield shop
    shop.db.close()


def test_a_session_that_outlives_its_request_says_so(shop: Shop) -> None:
    kept = []

    @shop.app.get("/")
    def handler(db: Any) -> str:
        db.scalars(select(shop.Note)).all()
        kept.append(db)
        return "ok"

    shop.client.get("/")
    with pytest.raises(SessionEndedError, match=r"^GET / has ended, .* with site\.db\.unit\(\) as db"):
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


def test_after_the_request_there_is_no_session_of_it(shop: Shop) -> None:
    """Not a new one either, which nobody would close."""

    @shop.app.get("/")
    def handler() -> str:
        return "ok"

    shop.client.get("/")
    with pytest.raises(OutsideRequestError):
        _ = shop.db.session


def test_a_session_handed_to_a_thread_that_outlives_the_request(shop: Shop) -> None:
    ended, told = threading.Event(), []
    threads = []

    @shop.app.post("/")
    def handler(db: Any) -> str:
        note = shop.Note(text="new")
        db.add(note)

        def later() -> None:
            ended.wait(PATIENCE)
            for use in (lambda: db.get(shop.Note, 1), lambda: db.add(shop.Note(text="late")), db.commit, db.begin):
                with pytest.raises(SessionEndedError) as caught:
                    use()
                told.append(caught.value.owner)
            assert note.text == "new", "what it has loaded stays readable"
            with shop.db.unit() as own:
                own.add(shop.Note(text="in a unit"))

        threads.append(threading.Thread(target=later))
        threads[0].start()
        return "ok"

    assert shop.client.post("/").status == 200
    ended.set()
    threads[0].join()
    assert told == ["POST /"] * 4
    assert shop.texts() == {"new", "in a unit"}
    assert shop.checked_out == 0


def test_a_unit_inside_a_request_is_one_of_its_own(shop: Shop) -> None:
    """Kept when it ends, whatever becomes of the request; and it sees nothing that the request has not committed."""

    @shop.app.post("/")
    def handler(db: Any) -> str:
        with shop.db.unit() as own:
            assert own is not db
            own.add(shop.Note(text="of the unit"))
            with shop.db.unit() as inner:
                inner.scalars(select(shop.Note)).all()
        db.add(shop.Note(text="of the request"))
        db.flush()
        raise ValueError("a slip")

    assert shop.client.post("/").status == 500
    assert shop.texts() == {"of the unit"}
    assert shop.checked_out == 0


def test_units_in_the_threads_of_a_handler(shop: Shop) -> None:
    """More threads than connections, and each sees the request's session of nobody."""

    def work(number: int) -> None:
        with pytest.raises(OutsideRequestError):
            _ = shop.db.session
        with shop.db.unit() as own:
            own.add(shop.Note(text=f"{number}"))

    @shop.app.post("/")
    def handler() -> str:
        with ThreadPoolExecutor(10) as threads:
            list(threads.map(work, range(20)))
        return "ok"

    assert shop.client.post("/").status == 200
    assert shop.texts() == {f"{number}" for number in range(20)}
    assert shop.checked_out == 0


def test_more_visitors_than_connections_wait(database_url: str) -> None:
    shop = Shop(database_url, pool_size=2, max_overflow=0)
    together = threading.Barrier(8)
    highest = []

    @shop.app.post("/<number>")
    def handler(db: Any, number: str) -> str:
        db.add(shop.Note(text=number))
        db.flush()
        highest.append(shop.checked_out)
        return "ok"

    def visit(number: int) -> int:
        together.wait(PATIENCE)
        return Client(shop.app).post(f"/{number}").status

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(visit, range(8))) == [200] * 8
    assert max(highest) <= 2
    assert len(shop.texts()) == 8
    assert shop.checked_out == 0
    shop.db.close()


def test_a_session_of_a_unit_that_has_ended(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="kept"))
    with pytest.raises(SessionEndedError, match=r"^The unit\(\) has ended"):
        db.scalars(select(shop.Note)).all()


def test_a_unit_that_closes_its_session(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="committed"))
        db.commit()
        db.close()
    assert shop.texts() == {"committed"}
    assert shop.checked_out == 0


@pytest.mark.parametrize("how", ["closed", "forgotten"])
@pytest.mark.parametrize("watch", [True, False])
def test_a_unit_in_a_generator_that_is_not_run_to_its_end(
    database_url: str, how: str, watch: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is kept and the connection goes back; in development the log says where it began."""
    shop = Shop(database_url, watch=watch)

    def rows() -> Iterator[int]:
        with shop.db.unit() as db:
            db.add(shop.Note(text="new"))
            db.flush()
            yield 1
            yield 2

    begun = rows()
    assert next(begun) == 1
    assert shop.checked_out == 1
    if how == "closed":
        begun.close()  # type: ignore[attr-defined]
    del begun
    gc.collect()
    assert shop.checked_out == 0
    assert shop.texts() == set()
    line = rows.__code__.co_firstlineno + 1
    told = [f"The unit() at {__file__}:{line} was left before its end: nothing that it wrote was kept."]
    assert [record.getMessage() for record in caplog.records] == (told if watch else [])
    shop.db.close()


def test_a_unit_that_only_read_may_be_left(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(database_url, watch=True)

    def rows() -> Iterator[Any]:
        with shop.db.unit() as db:
            db.add(shop.Note(text="kept"))
            db.commit()
        with shop.db.unit() as db:
            for note in db.scalars(select(shop.Note)):
                yield note
                yield note

    begun = rows()
    next(begun)
    begun.close()  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING):
        assert shop.texts() == {"kept"}
    assert caplog.records == []
    assert shop.checked_out == 0
    shop.db.close()


def test_a_relationship_that_is_first_asked_for_after_its_session(shop: Shop) -> None:
    Model: Any = shop.db.Model

    class Reply(Model):
        __tablename__ = "replies"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(String(50))
        note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"))
        note = relationship(shop.Note)

    shop.db.create_all()
    kept = []

    @shop.app.post("/")
    def handler(db: Any) -> str:
        db.add(Reply(text="reply", note=shop.Note(text="note")))
        return "ok"

    @shop.app.get("/keep")
    def keep(db: Any) -> str:
        kept.append(db.scalars(select(Reply)).one())
        return "ok"

    @shop.app.get("/again")
    def again(db: Any) -> str:
        assert kept[0].text == "reply", "what was loaded stays readable"
        with pytest.raises(DetachedInstanceError):
            _ = kept[0].note
        _ = kept[0].note
        return ""

    @shop.app.get("/merged")
    def merged(db: Any) -> str:
        text: str = db.merge(kept[0], load=False).note.text
        return text

    shop.app.catchall = False
    assert shop.client.post("/").status == shop.client.get("/keep").status == 200
    with pytest.raises(DetachedInstanceError, match=r"has been closed.*selectinload.*db\.get\(type, key\)"):
        shop.client.get("/again")
    with pytest.raises(DetachedInstanceError, match="selectinload"), shop.db.unit():
        _ = kept[0].note
    assert shop.client.get("/merged").text == "note"
    assert shop.checked_out == 0
