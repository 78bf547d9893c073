"""Nobody is signed out, and nobody sees what is not theirs: many visitors, several processes, and a memcached that
fails in each way it can."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from demijohn.database import Database
from demijohn.sessions.stores.sql import SqlStore
from tests import crowd
from tests.load import Crowd, Web, visited
from tests.services import Memcached
from tests.sites import ROOT, running
from tests.visits import CLIENTS, needs

#: How much more than the usual load. SESSION_LOAD=5 is a run by hand, of two minutes of all cores.
MORE = int(os.environ.get("SESSION_LOAD", "1"))
VISITORS = 100
#: Clicks between two faults.
CLICKS = 200 * MORE
#: What all processes do together, on each store.
OPERATIONS = 8_000
#: Seconds for which memcached is frozen: what is asked of it meanwhile is given up several times.
FROZEN = 2 + MORE // 2
SECRET = "a-secret-of-the-tests-and-not-a-short-one"
GUNICORN = [sys.executable, "-m", "gunicorn", "--workers=2", "--worker-class=gthread", "--threads=8"]


def test_nobody_is_signed_out(mariadb_url: str) -> None:
    db = Database(mariadb_url)
    SqlStore(db.alone, db.metadata)
    db.create_all()
    db.close()
    config = Path(__file__).parents[1] / "gunicorn.conf.py"
    command = [*GUNICORN, f"--config={config}", "tests.apps.clicks:app"]
    with Memcached("-m", "4") as memcached:  # megabytes
        settings = {"DATABASE_URL": mariadb_url, "MEMCACHED_URL": memcached.url, "SECRET_KEY": SECRET}
        with running(command, settings) as address:
            crowd = Crowd(Web(int(address.rpartition(":")[2])))
            figures: list[str] = []
            asyncio.run(visited(crowd, VISITORS, lambda crowd: _all_faults(crowd, memcached, figures)))
    statuses = crowd.web.statuses
    summary = (
        f"{statuses.total()} requests {dict(statuses)}, {crowd.clicks} clicks, {len(crowd.dead)} sessions ended; "
        + "; ".join(figures)
    )
    print(summary)
    assert crowd.wrongs == [], f"{len(crowd.wrongs)} wrong. {summary}"
    assert set(statuses) == {200}, summary


async def _all_faults(crowd: Crowd, memcached: Memcached, figures: list[str]) -> None:
    async def told(name: str, fault: Callable[[], Awaitable[object]] | None) -> None:
        crowd.web.slowest, began, clicks = 0.0, time.monotonic(), crowd.clicks
        if fault is not None:
            await fault()
        await crowd.clicked(CLICKS)
        seconds = time.monotonic() - began
        figures.append(f"{name}: {crowd.clicks - clicks} clicks in {seconds:.1f} s, slowest {crowd.web.slowest:.2f} s")

    async def restart(end: Callable[[], None]) -> None:
        await asyncio.to_thread(end)
        await crowd.clicked(CLICKS // 2)  # they go on without it
        await asyncio.to_thread(memcached.start)

    async def freeze() -> None:
        with memcached.frozen():
            await asyncio.sleep(FROZEN)

    async def fill() -> None:
        goal, misses = crowd.clicks + CLICKS, _stat(memcached, "get_misses")
        await asyncio.to_thread(_fill, memcached, lambda: bool(crowd.clicks >= goal or crowd.wrongs))
        found = [f"{_stat(memcached, name)} {name}" for name in ("evictions", "get_misses")]
        figures.append(f"{', '.join(found)} ({misses} before)")

    await told("all is well", None)
    await told("restarted", lambda: restart(memcached.stop))
    await told("killed", lambda: restart(memcached.kill))
    await told("restarted again", lambda: restart(memcached.stop))
    await told(f"frozen for {FROZEN} s", freeze)
    await told("filled", fill)
    await told("full", None)


def _fill(memcached: Memcached, is_enough: Callable[[], bool]) -> None:
    """Write what is no session's, as long as their entries are, and go on when there is no room left for those."""
    with memcached.connect() as connection:
        for lap in itertools.count():
            junk = (f"set junk-{lap}-{number} 0 0 {size} noreply\r\n{'x' * size}\r\n" for number, size in _SIZES)
            connection.sendall("".join(junk).encode())
            if _stat(memcached, "evictions") > 0 and is_enough():
                return


#: Some of each of the sizes in which memcached hands out its memory.
_SIZES = list(enumerate([70, 110, 150, 200] * 500))


def _stat(memcached: Memcached, name: str) -> int:
    return next(int(line.split()[2]) for line in memcached.ask("stats").splitlines() if f" {name} " in line)


@pytest.mark.parametrize("kept", [*(f"memcached-{client}" for client in CLIENTS), "cached-mariadb"])
def test_nobody_sees_what_is_not_theirs(kept: str, memcached: Memcached, request: pytest.FixtureRequest) -> None:
    database, client = None, kept.partition("-")[2]
    if kept == "cached-mariadb":
        database, client = request.getfixturevalue("mariadb_url"), "pylibmc"
    needs(client)
    began = time.monotonic()
    place = crowd.Place(memcached.address, client, database)
    if place.db is not None:
        _ = place.store
        place.db.create_all()
    cookies = [place.begin(number) for number in range(crowd.SESSIONS)]
    operations = -(-OPERATIONS * MORE // (crowd.PROCESSES * crowd.THREADS))
    half = crowd.PROCESSES // 2
    errands = [list(range(half)), *([process] for process in range(half, crowd.PROCESSES))]
    reports = _sent([crowd.Errand(memcached.address, client, database, who, operations, cookies) for who in errands])
    for report in reports:
        for number, cookie in report["cookies"].items():
            cookies[int(number)] = cookie
    held: Counter[str] = Counter()
    wrongs = [wrong for report in reports for wrong in report["wrongs"]]
    for number, cookie in enumerate(cookies):
        session = place.open(cookie)
        if found := crowd.wrong(session, number):
            wrongs.append(f"in the end: {found}")
        held.update({key: value for key, value in session.items() if key[0].isdigit()})
    place.close()
    counted: Counter[str] = Counter()
    for report in reports:
        counted.update(report["counted"])
    reads, touches, rotations = (sum(report[key] for report in reports) for key in ("reads", "touches", "rotations"))
    total = reads + touches + rotations + counted.total()
    summary = (
        f"{kept}: {total} operations: {reads} read, {counted.total()} counted, {touches} touched, {rotations} changed "
        f"the id; {time.monotonic() - began:.1f} s; {len(wrongs)} wrong, {(counted - held).total()} counts lost"
    )
    print(summary)
    assert wrongs == [], summary
    assert held == counted, summary
    assert total == operations * crowd.PROCESSES * crowd.THREADS, summary


def _sent(errands: list[crowd.Errand]) -> list[dict[str, Any]]:
    """What the processes of all errands report, which run at the same time."""

    def send(errand: crowd.Errand) -> list[dict[str, Any]]:
        command, given = [sys.executable, "-m", "tests.crowd"], json.dumps(asdict(errand))
        process = subprocess.run(
            command, cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True, check=False, timeout=300 * MORE
        )
        if process.returncode:
            return [asdict(crowd.Report(wrongs=[f"A process has ended with {process.returncode}."]))]
        reports: list[dict[str, Any]] = json.loads(process.stdout)
        return reports

    with ThreadPoolExecutor(len(errands)) as sending:
        return [report for reports in sending.map(send, errands) for report in reports]
