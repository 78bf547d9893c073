"""Reads from replicas, on MariaDB and PostgreSQL with two replicas each that follow by the servers' own replication.

SQLite has no replicas: its database is a file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import bottle
import pytest
from sqlalchemy import func, insert, select, text

from demijohn.database import replicas as parts
from tests.client import Client
from tests.groups import Group
from tests.services import Database, until
from tests.shop import Shop

numbers = itertools.count()


class Copied(Shop):
    """A shop that reads from the replicas."""

    def __init__(self, group: Group, **options: Any) -> None:
        self.group = group
        name = f"copied_{next(numbers)}"  # never one that a replica may still have from before
        self.urls = [replica.url(name) for replica in group.replicas]
        super().__init__(group.primary.create(name), replicas=self.urls, **options)
        self.read_and_write()
        group.follow(name)
        # Whoever reads first has made the connections; from here on the servers see only what is asked.
        for _ in range(4):
            assert self.client.get("/read").text == "first"

    def asked(self, act: Callable[[], object]) -> list[int]:
        """How many statements the primary, and each replica, was given while `act` ran."""
        with ExitStack() as watched:
            seen = [watched.enter_context(s.statements()) for s in (self.group.primary, *self.group.replicas)]
            act()
        return [len(statements) for statements in seen]

    def asked_of(self, server: Database) -> int:
        """How many of four requests this server has answered."""
        with server.statements() as seen:
            for _ in range(4):
                assert self.client.get("/read").text == "first"
        return len(seen)

    @property
    def out(self) -> int:
        """Connections that have not been given back."""
        replicas = self.db.replicas
        assert replicas is not None
        return sum(engine.pool.checkedout() for engine in (self.db.engine, *replicas.engines))  # type: ignore[attr-defined]


@pytest.fixture
def shop(group: Group) -> Iterator[Copied]:
    shop = Copied(group)
    yield shop
    assert shop.out == 0
    shop.db.close()


def test_safe_requests_are_shared_out_evenly(shop: Copied) -> None:
    def act() -> None:
        for _ in range(50):
            assert shop.client.get("/read").text == "first"

    assert shop.asked(act) == [0, 25, 25]


def test_by_chance_each_gets_some(group: Group) -> None:
    shop = Copied(group, replica_choice="random")
    shop.asked(lambda: [shop.client.get("/read") for _ in range(30)])  # until both have been connected to
    asked = shop.asked(lambda: [shop.client.get("/read") for _ in range(60)])
    assert asked[0] == 0
    assert sum(asked) == 60
    assert min(asked[1:]) > 5  # less: once in 10 ** 11
    shop.db.close()


def test_writing_requests_ask_the_primary_only(shop: Copied) -> None:
    assert shop.asked(lambda: shop.client.post("/write")) == [3, 0, 0]


def orm(db: Any, shop: Shop) -> None:
    db.add(shop.Note(text="new"))


def many(db: Any, shop: Shop) -> None:
    db.add_all([shop.Note(text=f"new {number}") for number in range(3)])
    db.flush()


def core(db: Any, shop: Shop) -> None:
    db.execute(insert(shop.Note), [{"text": f"new {number}"} for number in range(3)])


def returning(db: Any, shop: Shop) -> None:
    statement = insert(shop.Note).returning(shop.Note.id)
    assert len(db.scalars(statement, [{"text": f"new {number}"} for number in range(3)]).all()) == 3


def plain_text(db: Any, shop: Shop) -> None:
    db.execute(text("INSERT INTO notes (text, count) VALUES ('new', 0)"))


def connection(db: Any, shop: Shop) -> None:
    db.connection().execute(insert(shop.Note).values(text="new"))


def savepoint(db: Any, shop: Shop) -> None:
    with db.begin_nested():
        db.add(shop.Note(text="new"))


def changed(db: Any, shop: Shop) -> None:
    db.get(shop.Note, 1).count = 7


def locked(db: Any, shop: Shop) -> None:
    db.scalars(select(shop.Note).where(shop.Note.id == 1).with_for_update()).one().count = 7


@pytest.mark.parametrize("write", [orm, many, core, returning, plain_text, connection, savepoint, changed, locked])
@pytest.mark.parametrize("reads_first", [False, True])
def test_a_write_in_a_safe_request_goes_to_the_primary(
    shop: Copied, write: Callable[[Any, Shop], None], reads_first: bool
) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> str:
        if reads_first:
            assert db.scalar(select(func.count()).select_from(shop.Note)) == 1
        write(db, shop)
        return str(db.scalar(select(func.count()).select_from(shop.Note).where(shop.Note.count == 7)))

    answers = []
    asked = shop.asked(lambda: answers.append(shop.client.get("/")))
    assert answers[0].status == 200, answers[0].text
    assert sum(asked[1:]) == reads_first + (write is changed), "what is read before the write, and no more"
    assert asked[0] >= 3
    with shop.db.unit() as db:
        found = db.execute(select(func.count(), func.max(shop.Note.count)).select_from(shop.Note)).one()
    new = 0 if write in (changed, locked) else 3 if write in (many, core, returning) else 1
    assert found == (1 + new, 0 if new else 7)
    assert "wrote" in shop.client.cookies, "this visitor must find what they have written"


def test_a_lock_is_taken_at_the_primary(shop: Copied) -> None:
    @shop.app.get("/")
    def handler(db: Any) -> str:
        return str(db.scalars(select(shop.Note).with_for_update()).one().text)

    assert shop.asked(lambda: shop.client.get("/"))[1:] == [0, 0]


def test_a_route_can_insist_on_the_primary(shop: Copied) -> None:
    @shop.app.get("/fresh", replica=False)
    def fresh(db: Any) -> str:
        return str(db.scalars(select(shop.Note)).one().text)

    assert shop.asked(lambda: shop.client.get("/fresh")) == [1, 0, 0]
    assert "wrote" not in shop.client.cookies

    @shop.app.get("/unnamed", replica=False)
    def unnamed() -> str:
        return str(shop.db.session.scalars(select(shop.Note)).one().text)

    assert shop.asked(lambda: shop.client.get("/unnamed")) == [1, 0, 0]

    @shop.app.hook("before_request")
    def look() -> None:
        shop.db.session.scalars(select(shop.Note)).all()  # on a replica, before the route is known

    asked = shop.asked(lambda: shop.client.get("/fresh"))
    assert sum(asked[1:]) == 1
    assert asked[0] >= 1


def test_who_has_written_reads_it_though_the_replicas_are_behind(shop: Copied) -> None:
    @shop.app.get("/all")
    def every(db: Any) -> str:
        return " ".join(db.scalars(select(shop.Note.text).order_by(shop.Note.id)))

    for replica in shop.group.replicas:
        replica.pause()
    stranger = Client(shop.app)
    assert shop.client.post("/write").status == 200
    for _ in range(4):
        assert shop.client.get("/all").text == "first written"
        assert stranger.get("/all").text == "first"
    for replica in shop.group.replicas:
        replica.resume()
    until(lambda: stranger.get("/all").text == "first written", "The replicas do not follow.")


def test_what_a_part_asks_beside_the_request_is_never_a_replica_s(shop: Copied) -> None:
    count = select(func.count()).select_from(shop.Note.__table__)

    @shop.app.get("/both")
    def both(db: Any) -> str:
        return f"{db.scalar(count)} {shop.db.alone(count, {})[0][0][0]}"

    for replica in shop.group.replicas:
        replica.pause()
    Client(shop.app).post("/write")
    assert shop.client.get("/both").text == "1 2", "a session that has just been begun would not be found"


def test_after_a_while_they_read_the_replicas_again(group: Group) -> None:
    shop = Copied(group, replica_lag=5)
    answer = shop.client.post("/write")
    (cookie,) = [value for name, value in answer.headers if name == "Set-Cookie"]
    assert re.fullmatch(r"wrote=\d+; Max-Age=6; Path=/; HttpOnly; SameSite=Lax", cookie)
    refused = shop.client.post("/write")
    assert refused.status == 500, "the text is taken"
    assert refused.header("Set-Cookie") is None, "nothing was kept, so there is nothing to look for"
    assert shop.asked(lambda: shop.client.get("/read")) == [1, 0, 0]
    until(lambda: shop.asked(lambda: shop.client.get("/read"))[0] == 0, "They read the primary for ever.")
    shop.db.close()


@pytest.mark.parametrize("value", ["", "x", "-1", "99999999999", "9" * 400, "%00", "1e9", "²", "0"])
def test_a_cookie_of_somebody_s_own_making_does_nothing(shop: Copied, value: str) -> None:
    cookie = f"wrote={value}".encode().decode("latin-1")
    assert shop.asked(lambda: shop.client.get("/read", HTTP_COOKIE=cookie))[0] == 0


def test_a_replica_that_is_killed_costs_nobody_an_answer(shop: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = shop.group.replicas
    monkeypatch.setattr(parts, "PAUSE", 0.2)
    replicas: Any = shop.db.replicas
    for engine in replicas.engines:
        engine.dialect.outage.pause = 0.2
    stop = False
    statuses: list[int] = []

    def visit(_: int) -> None:
        client = Client(shop.app)
        while not stop:
            statuses.append(client.get("/read").status)

    with ThreadPoolExecutor(4) as threads:
        for number in range(4):
            threads.submit(visit, number)
        try:
            until(lambda: len(statuses) > 50, "nobody comes")
            one.kill()
            before = len(statuses)
            until(lambda: len(statuses) > before + 200, "nobody comes any more")
        finally:
            stop = True
    assert set(statuses) == {200}
    assert shop.asked_of(other) > 0
    one.start()
    until(lambda: shop.asked_of(one) > 0, "The replica is not asked again.")
    assert shop.out == 0


def test_without_replicas_the_primary_answers(shop: Copied) -> None:
    for replica in shop.group.replicas:
        replica.kill()
    for _ in range(10):
        assert shop.client.get("/read").text == "first"
    assert shop.client.post("/write").status == 200


def test_without_the_primary_the_replicas_answer(shop: Copied) -> None:
    shop.group.primary.kill()
    for _ in range(10):
        assert shop.client.get("/read").text == "first"
    assert shop.client.post("/write").status == 503
    assert shop.client.get("/write-safely").status == 503


def test_a_replica_that_hangs_up_in_the_middle(shop: Copied) -> None:
    @shop.app.get("/twice")
    def twice(db: Any) -> str:
        first = db.scalars(select(shop.Note)).one()
        for replica in shop.group.replicas:
            replica.hang_up()
        return f"{first.text} {db.scalar(select(func.count()).select_from(shop.Note))}"

    for _ in range(4):
        assert shop.client.get("/twice").text == "first 1"


def test_a_stream_from_a_replica_and_then_a_write(shop: Copied) -> None:
    @shop.app.get("/export")
    def export(db: Any) -> str:
        return " ".join(db.scalars(select(shop.Note.text).execution_options(yield_per=1)))

    @shop.app.get("/both")
    def both(db: Any) -> str:
        with db.scalars(select(shop.Note).execution_options(yield_per=1)) as notes:
            for note in notes:
                note.count += 1
                db.flush()
        return "ok"

    assert shop.asked(lambda: shop.client.get("/export"))[0] == 0
    answer = shop.client.get("/both")
    assert answer.status == 500
    assert "replica=False" in answer.errors


def test_ten_visitors_always_find_what_they_have_written(shop: Copied) -> None:
    @shop.app.post("/count/<id:int>")
    def count(id: int, db: Any) -> str:
        note = db.get(shop.Note, id) or shop.Note(id=id, text=str(id), count=0)
        db.add(note)
        note.count += 1
        bottle.redirect(f"/count/{id}")
        return ""

    @shop.app.get("/count/<id:int>")
    def counted(id: int, db: Any) -> str:
        return str(db.get(shop.Note, id).count)

    def visit(id: int) -> list[str]:
        client = Client(shop.app)
        found = []
        for _ in range(20):
            assert client.post(f"/count/{id}").status == 302
            found.append(client.get(f"/count/{id}").text)
        return found

    with ThreadPoolExecutor(10) as threads:
        for found in threads.map(visit, range(10, 20)):
            assert found == [str(number) for number in range(1, 21)]
