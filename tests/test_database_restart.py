"""A database server that is killed and comes back under many clients: nothing is lost, doubled or promised in vain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import func, select

from demijohn.database import Database as Plugin
from tests.ledger import Ledger
from tests.load import Web
from tests.services import PATIENCE, Database, MariaDB, PostgreSQL, lives, until
from tests.services.wrapped import inside
from tests.sites import ROOT, running

#: RESTART_CLIENTS=50 is a run by hand.
CLIENTS = int(os.environ.get("RESTART_CLIENTS", "25"))
#: How many times each story is told; for a run by hand.
MORE = int(os.environ.get("RESTARTS", "1"))
#: Seconds after the server's return, and GETs after those that were answered 200 one after the other, from which on
#: each of them is.
BACK, IN_A_ROW = 2.0, 100
SECRET = "a-secret-of-the-tests-and-not-a-short-one"
GUNICORN = [sys.executable, "-m", "gunicorn", "--workers=2", "--worker-class=gthread", "--threads=8"]
GUNICORN += [f"--config={ROOT / 'gunicorn.conf.py'}"]

#: What makes an answered commit outlive the server's process, though not the machine: it is handed to the kernel.
DURABLE: dict[str, Callable[[], Database]] = {
    "mariadb": lambda: MariaDB("--innodb-flush-log-at-trx-commit=2"),
    "postgresql": lambda: PostgreSQL("-c", "synchronous_commit=on"),
}
DOWN = 3.0  # seconds


def kill(server: Database) -> None:
    """SIGKILL, to every process that the server is."""
    assert server.process is not None
    with server.frozen():
        children = server.children()
        server.process.kill()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    server.process.wait()
    (server.folder / "pid").unlink(missing_ok=True)
    server.process = None
    until(lambda: not any(lives(child) for child in children), "A process of the server lives on.")


def stop(server: Database) -> None:
    server.stop()


#: How the server goes down, and for how many seconds.
Fall = tuple[Callable[[Database], None], float]
STORIES: dict[str, dict[str, list[Fall]]] = {
    "forked first": {
        "killed, 3 s down": [(kill, DOWN)],
        "stopped": [(stop, 0)],
        "killed twice": [(kill, 0), (kill, 0)],
    },
    "preloaded": {"killed": [(kill, 0)]},
}


@pytest.fixture(scope="module", params=DURABLE)
def durable(request: pytest.FixtureRequest) -> Iterator[Database]:
    with DURABLE[request.param]() as server:
        yield server


@contextlib.contextmanager
def books(url: str) -> Iterator[Callable[[], Counter[int]]]:
    """The tables of the ledger at this url, and afterwards how many lines each number has."""
    database = Plugin(url)

    class Line(database.Model):  # type: ignore[name-defined]
        __tablename__ = "lines"
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        number = sqlalchemy.Column(sqlalchemy.Integer, index=True)
        amount = sqlalchemy.Column(sqlalchemy.Integer)

    def lines() -> Counter[int]:
        with database.unit() as db:
            return Counter(dict(db.execute(select(Line.number, func.count()).group_by(Line.number)).all()))

    database.create_all()
    yield lines
    database.close()


def served(url: str, *options: str) -> contextlib.AbstractContextManager[str]:
    return running([*GUNICORN, *options, "tests.apps.ledger:app"], {"DATABASE_URL": url, "SECRET_KEY": SECRET})


async def visited(ledger: Ledger, story: Callable[[], Awaitable[None]]) -> None:
    """Have the clients come and stay until the story is told."""
    clients = [asyncio.create_task(ledger.client()) for _ in range(CLIENTS)]
    try:
        await story()
    finally:
        ledger.leaving = True
        await asyncio.gather(*clients)


async def answered(ledger: Ledger, more: int) -> None:
    """Wait until so many requests more were answered 200."""
    goal = ledger.web.statuses[200] + more
    deadline = time.monotonic() + PATIENCE
    while ledger.web.statuses[200] < goal and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


async def recovered(ledger: Ledger, since: float) -> float:
    """Wait until the site has found the server again. When that was."""
    await asyncio.sleep(BACK)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        latest = [status for sent, status, get in ledger.answers if get and sent >= since][-IN_A_ROW:]
        if latest == [200] * IN_A_ROW:
            break
        await asyncio.sleep(0.05)
    return time.monotonic()


async def fall(ledger: Ledger, server: Database, falls: list[Fall], figures: list[str]) -> None:
    """The server goes down and comes back: while it is down a GET is answered 200 or 503, and then 200 again."""
    began = time.monotonic()
    for down, seconds in falls:
        await asyncio.to_thread(down, server)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(server.start)
    back = time.monotonic()
    well = await recovered(ledger, back)
    await answered(ledger, 100)
    during, after = ledger.statuses(began, well), ledger.statuses(well)
    if set(during) - {200, 503} or set(after) != {200}:
        ledger.wrongs.append(f"GETs: {dict(during)} while it was down, {dict(after)} after its return")
    refused = [sent for sent, status, _ in ledger.answers if status == 503 and sent >= back]
    figures.append(
        f"down {back - began:.2f} s, GETs {dict(during)}, first 200 {ledger.first(back):.2f} s and last 503 "
        f"{max(refused, default=back) - back:.2f} s after its return"
    )


@pytest.mark.parametrize("way", STORIES)
def test_no_entry_is_lost_or_made_twice_when_the_server_is_killed(durable: Database, way: str) -> None:
    url = durable.create("ledger")
    figures: list[str] = []
    with books(url) as lines, served(url, *(["--preload"] if way == "preloaded" else [])) as address:
        ledger = Ledger(Web(int(address.rpartition(":")[2])))

        async def story() -> None:
            await answered(ledger, 100)
            if set(before := ledger.statuses(gets=False)) != {200}:
                ledger.wrongs.append(f"before anything happened: {dict(before)}")
            for name, falls in list(STORIES[way].items()) * MORE:
                figures.append(name)
                await fall(ledger, durable, falls, figures)

        asyncio.run(visited(ledger, story))
        figures.append(ledger.judge(lines()))
    summary = f"{durable.name}, {way}: " + "; ".join(figures)
    print(summary)
    assert ledger.wrongs == [], f"{ledger.wrongs[:10]} {summary}"
    assert len(ledger.kept) > 100, summary
    assert 503 in ledger.statuses(), summary


def test_no_entry_is_lost_or_made_twice_when_a_worker_is_killed(sqlite_url: str) -> None:
    figures: list[str] = []
    with books(sqlite_url) as lines, served(sqlite_url) as address:
        port = int(address.rpartition(":")[2])
        ledger = Ledger(Web(port))

        async def story() -> None:
            for _ in range(2 * MORE):
                await answered(ledger, 100)
                workers = _workers(port)
                os.kill(workers[0], signal.SIGKILL)
                await asyncio.to_thread(until, lambda gone=workers: _workers(port)[1:] and _workers(port) != gone, "")
            since = time.monotonic()
            await answered(ledger, 200)
            if set(after := ledger.statuses(since + 5)) - {200}:  # by then the new worker has begun
                ledger.wrongs.append(f"after the last worker was killed: {dict(after)}")

        asyncio.run(visited(ledger, story))
        figures.append(ledger.judge(lines()))
    summary = "sqlite: " + "; ".join(figures)
    print(summary)
    assert ledger.wrongs == [], f"{ledger.wrongs[:10]} {summary}"
    assert len(ledger.kept) > 100, summary


def _workers(port: int) -> list[int]:
    """The worker processes of the gunicorn that was started for this port, the oldest first."""
    children: list[str] = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended
            children += (task / "children").read_text().split()
    for child in children:
        with contextlib.suppress(OSError):
            if f"PORT={port}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                master = inside(int(child))
                return [*map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())]
    return []
