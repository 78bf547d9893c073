"""Replicas under a real server: two processes of eight threads, and visitors who look for what they have written."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator

import pytest
import sqlalchemy

from tests.groups import Group
from tests.load import Web
from tests.services import until
from tests.sites import ROOT, running

VISITORS, TURNS = 20, 15
GUNICORN = [sys.executable, "-m", "gunicorn", "--workers=2", "--worker-class=gthread", "--threads=8"]
GUNICORN += [f"--config={ROOT / 'gunicorn.conf.py'}", "tests.apps.ledger:app"]
LINES = sqlalchemy.Table(
    "lines",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("number", sqlalchemy.Integer),
    sqlalchemy.Column("amount", sqlalchemy.Integer),
)


@pytest.fixture
def web(group: Group) -> Iterator[Web]:
    """The ledger, read from two replicas."""
    url = group.primary.create("ledger")
    engine = sqlalchemy.create_engine(url)
    LINES.create(engine)
    engine.dispose()
    group.follow("ledger", "lines")
    settings = {
        "DATABASE_URL": url,
        "DEMIJOHN_DATABASE_REPLICAS": ",".join(replica.url("ledger") for replica in group.replicas),
        "DEMIJOHN_DATABASE_REPLICA_LAG": "60",  # seconds; the replicas stand still for most of the test
        "SECRET_KEY": "a-secret-of-the-tests-and-not-a-short-one",
    }
    with running(GUNICORN, settings) as address:
        yield Web(int(address.rpartition(":")[2]))


def all_at_once(visit: Callable[[int], Awaitable[None]]) -> None:
    async def together() -> None:
        await asyncio.gather(*map(visit, range(VISITORS)))

    asyncio.run(together())


def test_who_writes_always_finds_it_and_a_killed_replica_costs_nobody_an_answer(web: Web, group: Group) -> None:
    for replica in group.replicas:
        replica.pause()
    missed: list[int] = []

    async def write_and_look(visitor: int) -> None:
        cookie: str | None = None
        for turn in range(TURNS):
            number = 1 + visitor * TURNS + turn
            written = await web.ask("POST", f"/entries/{number}", cookie)
            assert written.status == 200
            (cookie,) = (value.partition(";")[0] for value in written.cookies)
            found = await web.ask("GET", f"/entries/{number}", cookie)
            if found.body != b"2":
                missed.append(number)
            assert (await web.ask("GET", f"/entries/{number}", None)).body == b"0", "a stranger reads the replicas"

    all_at_once(write_and_look)
    assert missed == []
    for replica in group.replicas:
        replica.resume()
    group.follow("ledger", "lines")

    async def look(visitor: int) -> None:
        for turn in range(TURNS):
            answer = await web.ask("GET", f"/entries/{1 + visitor * TURNS + turn}", None)
            assert (answer.status, answer.body) == (200, b"2")

    with contextlib.ExitStack() as watched:
        seen = [watched.enter_context(server.statements()) for server in (group.primary, *group.replicas)]
        all_at_once(look)
    asked = [len([statement for statement in statements if "lines" in statement]) for statements in seen]
    assert asked[0] == 0
    assert sum(asked) == VISITORS * TURNS
    assert abs(asked[1] - asked[2]) <= 2, "each process shares out evenly"

    async def look_at_a_killing(visitor: int) -> None:
        await look(visitor)
        if visitor == 0:
            await asyncio.to_thread(group.replicas[0].kill)
        await look(visitor)

    all_at_once(look_at_a_killing)
    assert set(web.statuses) == {200}
    until(lambda: not group.replicas[0].running, "The replica lives on.")
