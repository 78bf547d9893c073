"""When a request keeps its work and when it drops it, and that its connection always goes back. By the same tests on
SQLite, MariaDB and PostgreSQL; streams and mounted apps have files of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from demijohn.errors import SessionEndedError
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


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


def empty(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPResponse(status=204)


def unchanged(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPResponse(status=304)


def elsewhere(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPResponse(status=302, Location="/elsewhere")


def raised_well(add: Callable[[], None]) -> Any:
    add()
    raise bottle.HTTPResponse("body", status=200)


def refused_later(add: Callable[[], None]) -> Any:
    add()
    return bottle.HTTPResponse("body", status=599)


def set_status(add: Callable[[], None]) -> str:
    add()
    bottle.response.status = 418
    return "body"


def streamed_error(add: Callable[[], None]) -> Iterator[Any]:
    add()
    yield bottle.HTTPError(410, "gone")


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
        (empty, 204, True),
        (unchanged, 304, True),
        (elsewhere, 302, True),
        (raised_well, 200, True),
        (refused_later, 599, False),
        (set_status, 418, False),
        (streamed_error, 410, False),
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


def test_head_on_a_route_that_writes_keeps_as_get_does(shop: Shop) -> None:
    @shop.app.get("/plain")
    def plain(db: Any) -> str:
        db.add(shop.Note(text="plain"))
        return "body"

    @shop.app.get("/stream")
    def stream(db: Any) -> Iterator[str]:
        db.add(shop.Note(text="before the first byte"))
        yield "one"
        db.add(shop.Note(text="never asked for"))
        yield "two"

    for path in ("/plain", "/stream"):
        answer = shop.client.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
        assert shop.checked_out == 0
    assert shop.texts() == {"plain", "before the first byte"}


def test_a_handler_that_commits_or_rolls_back_itself(shop: Shop) -> None:
    @shop.app.post("/")
    def handler(db: Any) -> Any:
        db.add(shop.Note(text="committed"))
        db.commit()
        db.add(shop.Note(text="rolled back"))
        db.rollback()
        db.add(shop.Note(text="at the end"))
        return bottle.HTTPError(409, "no") if "refuse" in bottle.request.query else "ok"

    assert shop.client.post("/?refuse").status == 409
    assert shop.texts() == {"committed"}, "what a handler commits is committed, whatever comes then"
    with shop.db.unit() as db:
        db.execute(delete(shop.Note))
    assert shop.client.post("/").status == 200
    assert shop.texts() == {"committed", "at the end"}
    assert shop.checked_out == 0


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("how", ["close", "invalidate"])
def test_a_handler_that_closes_its_session(shop: Shop, method: str, how: str) -> None:
    """As sites have been taught elsewhere: commit and close, in each handler."""

    @shop.app.route("/", method=method)
    def handler(db: Any) -> str:
        db.add(shop.Note(text="committed"))
        db.commit()
        db.add(shop.Note(text="not committed"))
        getattr(db, how)()
        with pytest.raises(SessionEndedError, match=r"^With close\(\) the work has ended"):
            db.scalars(select(shop.Note)).all()
        return "ok"

    assert shop.client.ask(method, "/").status == 200
    assert shop.texts() == {"committed"}
    assert shop.checked_out == 0


def test_a_broken_rule_that_is_swallowed_is_not_a_success(shop: Shop) -> None:
    @shop.app.post("/")
    def handler(db: Any) -> str:
        db.add(shop.Note(text="one"))
        db.flush()
        db.add(shop.Note(text="one"))
        with pytest.raises(IntegrityError):
            db.flush()
        if "mended" in bottle.request.query:
            db.rollback()
            db.add(shop.Note(text="two"))
        return "ok"

    assert shop.client.post("/").status == 500
    assert shop.texts() == set()
    assert shop.client.post("/?mended").status == 200
    assert shop.texts() == {"two"}
    assert shop.checked_out == 0


def test_a_broken_rule_that_only_the_commit_finds(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="one"))

    @shop.app.post("/")
    def handler(db: Any) -> str:
        db.add(shop.Note(text="two"))
        db.add(shop.Note(text="one"))
        return "ok"

    assert shop.client.post("/").status == 500
    assert shop.texts() == {"one"}
    assert shop.checked_out == 0


@pytest.mark.parametrize("error", [MemoryError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("streams", [False, True])
def test_what_ends_the_worker_leaves_nothing_half_done(shop: Shop, error: type[BaseException], streams: bool) -> None:
    def work(db: Any) -> None:
        db.add(shop.Note(text="new"))
        db.flush()
        raise error

    @shop.app.post("/plain")
    def plain(db: Any) -> None:
        work(db)

    @shop.app.post("/stream")
    def stream(db: Any) -> Iterator[str]:
        work(db)
        yield "never"

    with pytest.raises(error):
        shop.client.post("/stream" if streams else "/plain")
    assert shop.texts() == set()
    assert shop.checked_out == 0


def test_without_catchall_errors_pass_and_nothing_is_kept(shop: Shop) -> None:
    shop.app.catchall = False

    @shop.app.post("/")
    def handler(db: Any) -> None:
        db.add(shop.Note(text="new"))
        db.flush()
        raise ValueError("a slip")

    with pytest.raises(ValueError, match="a slip"):
        shop.client.post("/")
    assert shop.texts() == set()
    assert shop.checked_out == 0
