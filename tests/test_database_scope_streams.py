"""Bodies that are made while they are sent: when they keep what they write, and that their connection goes back."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import select

from tests.client import Client
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


def in_a_thread(act: Callable[[], Any]) -> Any:
    """What `act` returns in a thread that has never answered a request."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(act()))
    thread.start()
    thread.join()
    assert answers, "it failed: see the warning"
    return answers[0]


def test_a_body_closed_by_another_thread(shop: Shop) -> None:
    ended = []

    @shop.app.post("/")
    def handler(db: Any) -> Iterator[str]:
        try:
            db.add(shop.Note(text="before"))
            yield "one"
            db.add(shop.Note(text="during"))
            db.flush()
            yield "two"
        finally:
            ended.append(shop.db.session is db)

    started = shop.client.begin("POST", "/")
    assert [next(started.pieces), next(started.pieces)] == [b"one", b"two"]
    assert shop.checked_out == 1
    in_a_thread(started.close)
    assert ended == [True], "and there bottle.request is still its own"
    assert shop.checked_out == 0
    assert shop.texts() == {"before"}


def test_a_body_made_by_another_thread(shop: Shop) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> Iterator[str]:
        yield "one"
        shop.db.session.add(shop.Note(text=bottle.request.query["text"]))
        yield str(shop.db.session is db)

    started = shop.client.begin("GET", "/?text=other")
    assert in_a_thread(lambda: list(started.pieces)) == [b"one", b"True"]
    in_a_thread(started.close)
    assert shop.checked_out == 0
    assert shop.texts() == {"other"}


def test_two_bodies_by_turns_on_one_thread(shop: Shop) -> None:
    @shop.app.post("/<name>")
    def handler(name: str, db: Any) -> Iterator[str]:
        bottle.response.content_type = f"text/plain; charset={name}"
        notes = []
        yield "begun"
        for number in range(3):
            assert shop.db.session is db
            notes.append(shop.Note(text=f"{name} {number}"))
            db.add(notes[-1])
            db.flush()
            yield f"ü {bottle.request.path} {len(db.identity_map)};"

    one_writer = shop.db.engine.dialect.name == "sqlite"
    names = ("latin1", "utf8")
    one, two = (Client(shop.app).begin("POST", f"/{name}") for name in names)
    if one_writer:
        next(one.pieces)
        next(two.pieces)
        rest = [b"".join(one.pieces), b"".join(two.pieces)]
    else:
        pieces = list(zip(one.pieces, two.pieces, strict=True))
        rest = [b"".join(each[1:]) for each in zip(*pieces, strict=True)]
        for started in (one, two):
            assert list(started.pieces) == []
    for started in (one, two):
        started.close()
    assert rest == ["".join(f"ü /{name} {count};" for count in (1, 2, 3)).encode(name) for name in names]
    assert shop.texts() == {f"{name} {number}" for name in names for number in range(3)}
    assert shop.checked_out == 0


def test_closing_one_of_two_leaves_the_other_alone(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="there"))

    @shop.app.get("/")
    def handler(db: Any) -> Iterator[str]:
        note = db.scalars(select(shop.Note)).one()
        yield "one"
        db.refresh(note)
        yield note.text

    one, two = Client(shop.app).begin("GET", "/"), Client(shop.app).begin("GET", "/")
    assert [next(one.pieces), next(two.pieces)] == [b"one", b"one"]
    one.close()
    assert next(two.pieces) == b"there"
    two.close()
    assert shop.checked_out == 0


def test_a_stream_that_fails_half_way_keeps_what_went_before_its_first_byte(shop: Shop) -> None:
    @shop.app.post("/")
    def handler(db: Any) -> Iterator[str]:
        db.add(shop.Note(text="before"))
        yield "one"
        db.add(shop.Note(text="during"))
        db.flush()
        raise ValueError("a slip")

    started = shop.client.begin("POST", "/")
    assert next(started.pieces) == b"one"
    with pytest.raises(ValueError, match="a slip"):
        next(started.pieces)
    started.close()
    assert shop.texts() == {"before"}
    assert shop.checked_out == 0


def test_a_commit_that_fails_at_the_end_of_a_stream_cuts_it(shop: Shop) -> None:
    with shop.db.unit() as db:
        db.add(shop.Note(text="there"))

    @shop.app.post("/")
    def handler(db: Any) -> Iterator[str]:
        yield "one"
        db.add(shop.Note(text="there"))

    started = shop.client.begin("POST", "/")
    assert next(started.pieces) == b"one"
    with pytest.raises(bottle.HTTPError):
        next(started.pieces)
    started.close()
    assert shop.texts() == {"there"}
    assert shop.checked_out == 0


def test_a_session_that_is_first_asked_for_after_the_first_piece(shop: Shop) -> None:
    """Nobody had joined the request when its head went out."""

    @shop.app.get("/")
    def handler() -> Iterator[str]:
        yield "one"
        shop.db.session.add(shop.Note(text="late"))
        shop.db.session.flush()
        yield "two"

    started = shop.client.begin("GET", "/")
    assert [next(started.pieces), next(started.pieces)] == [b"one", b"two"]
    assert shop.checked_out == 1
    started.close()
    assert (shop.texts(), shop.checked_out) == (set(), 0)
    assert shop.client.get("/").body == b"onetwo"
    assert (shop.texts(), shop.checked_out) == ({"late"}, 0)


class Pieces:
    """An iterator that is no generator."""

    def __init__(self, db: Any, note: Any) -> None:
        self._db, self._note = db, note
        self._left = 3
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        self._left -= 1
        self._db.add(self._note(text=f"piece {self._left}"))
        self._db.flush()
        return b"piece"

    def close(self) -> None:
        assert self._db.scalar(select(self._note.id).limit(1)), "its session is closed after it"
        self.closed += 1


@pytest.mark.parametrize("cut", [False, True])
def test_an_iterator_with_a_close_of_its_own(shop: Shop, cut: bool) -> None:
    made = []

    @shop.app.post("/")
    def handler(db: Any) -> Any:
        made.append(Pieces(db, shop.Note))
        return made[0]

    started = shop.client.begin("POST", "/")
    pieces = [next(started.pieces), next(started.pieces)] if cut else list(started.pieces)
    started.close()
    assert set(pieces) == {b"piece"}
    assert made[0].closed == 1
    assert shop.texts() == ({"piece 2"} if cut else {"piece 2", "piece 1", "piece 0"})
    assert shop.checked_out == 0


class Readable(io.RawIOBase):
    """What looks like a file, and reads from the database."""

    def __init__(self, db: Any, note: Any) -> None:
        self._db, self._note = db, note

    def read(self, size: int = -1) -> bytes:
        note = self._db.scalars(select(self._note).where(self._note.count == 0).limit(1)).one_or_none()
        if note is None:
            return b""
        note.count = 1
        self._db.flush()
        text: str = note.text
        return text.encode()


class Wrapper:
    """A server's own way with files."""

    def __init__(self, file: Any, size: int = 8192) -> None:
        self.close, self._read = file.close, file.read

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._read, b"")


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_body_that_looks_like_a_file(shop: Shop, wrapped: bool) -> None:
    with shop.db.unit() as db:
        db.add_all([shop.Note(text="a"), shop.Note(text="b")])

    @shop.app.post("/")
    def handler(db: Any) -> Any:
        return Readable(db, shop.Note)

    environ: dict[str, Any] = {"wsgi.file_wrapper": Wrapper} if wrapped else {}
    answer = shop.client.post("/", **environ)
    assert sorted(answer.text) == ["a", "b"]
    with shop.db.unit() as db:
        assert db.scalars(select(shop.Note.count)).all() == [1, 1]
    assert shop.checked_out == 0


def test_a_stream_that_nobody_closes_is_closed_when_it_is_found(shop: Shop) -> None:
    """No server may do so; the connection comes back nonetheless."""

    @shop.app.post("/")
    def handler(db: Any) -> Iterator[str]:
        db.add(shop.Note(text="before"))
        yield "one"
        db.add(shop.Note(text="during"))
        db.flush()
        yield "two"

    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}
    body = iter(shop.app(environ, lambda *_: None))
    assert [next(body), next(body)] == [b"one", b"two"]
    assert shop.checked_out == 1
    del body, environ
    bottle.request.bind({})
    gc.collect()
    assert shop.checked_out == 0
    assert shop.texts() == {"before"}
