"""Tickets on their way home: real databases that are killed, memcached meanwhile, several threads and processes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from demijohn.tickets import spill, table
from demijohn.tickets.waiting import MOST, Waiting
from tests.client import Client
from tests.faulty import Faulty
from tests.servers import serving
from tests.services import PATIENCE, Database, MariaDB, Memcached, until

ROOT = Path(__file__).parent.parent


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Faulty] = []

    def make(url: str, **settings: Any) -> Faulty:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Faulty(folder, database__url=url, **settings))
        made[-1].site.create_tables()
        return made[-1]

    yield make
    for faulty in made:
        faulty.close()


def crash(server: Database) -> None:
    """Kill it, with the tables on its disk: the tests' servers write to it when they like."""
    server.execute("FLUSH ENGINE LOGS" if isinstance(server, MariaDB) else "CHECKPOINT")
    server.kill()


def record(series: str = "s1", id: str = "aaaa-bbbb", count: int = 1, **facts: Any) -> dict[str, Any]:
    given = {"error": "ValueError", "place": "app/__init__.py:1 in f", "message": "m", "first": 10, "last": 20}
    return {"series": series, "id": id, **given, "count": count, "samples": [{"time": 20, "traceback": "t"}], **facts}


def test_what_is_told_twice_is_counted_once(make: Any, database_url: str) -> None:
    faulty = make(database_url)
    with faulty.site.tickets.home.engine.connect() as connection:
        for count in (3, 3, 5, 4):
            assert table.keep(connection, record(count=count, last=20 + count))
        table.keep(connection, record("s2", count=10, first=5, message="wörter \U0001f377 \ud83d"))
        table.keep(connection, record("s3", "cccc-dddd"))
        first, second = table.read(connection, samples=True)
        assert (first["id"], first["count"], first["first"], first["last"]) == ("aaaa-bbbb", 15, 5, 25)
        assert (second["id"], second["count"]) == ("cccc-dddd", 1)
        assert table.forget(connection, "cccc-dddd") == 1
        assert table.forget(connection, before=24) == 0
        assert table.forget(connection, before=26) == 1
        assert table.read(connection) == []


def test_of_many_processes_only_the_last_ones_samples_are_kept(make: Any, database_url: str) -> None:
    """A host that starts twenty a day would fill the table with tracebacks that nobody is shown."""
    faulty = make(database_url)
    with faulty.site.tickets.home.engine.connect() as connection:
        table.keep(connection, record("other", "cccc-dddd"))
        for number in range(12):
            sample = {"time": number, "traceback": f"of {number}"}
            table.keep(connection, record(f"s{number:02}", count=2, last=number, samples=[sample]))
        kept = sqlalchemy.select(table.c.series).where(table.c.samples != "[]").order_by(table.c.series)
        assert list(connection.scalars(kept)) == ["other", "s09", "s10", "s11"]
        late = [{"time": 99, "traceback": "again"}]
        table.keep(connection, record("s04", count=3, last=99, samples=late))
        ticket, _ = table.read(connection, samples=True)
        assert (ticket["count"], ticket["last"]) == (25, 99)
        assert [sample["time"] for sample in ticket["samples"]] == [10, 11, 99]


def test_a_ticket_that_was_deleted_begins_again(make: Any, database_url: str) -> None:
    faulty = make(database_url)
    for _ in range(4):
        faulty.ask("/handler")
    assert faulty.counts() == {"RuntimeError": 4}
    with faulty.site.tickets.home.engine.connect() as connection:
        assert table.forget(connection) == 1
    for _ in range(3):
        faulty.ask("/handler")
    assert faulty.counts() == {"RuntimeError": 3}


def test_all_connections_of_the_site_may_be_taken(make: Any, url: str) -> None:
    """Each request that fails holds one, and a ticket waits for none of them."""
    faulty = make(url, database__pool_size=2, database__max_overflow=0, database__pool_timeout=100)
    gate = threading.Barrier(2)

    @faulty.site.get("/hold")
    def hold(db: Any) -> str:
        from sqlalchemy import text

        db.execute(text("SELECT 1"))
        gate.wait(PATIENCE)
        raise InterruptedError("with a connection in its hands")

    began = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: Client(faulty.site).get("/hold").status, range(2)))
    assert answers == [500, 500]
    assert time.monotonic() - began < 90, "nobody has waited for the pool"
    assert faulty.counts() == {"InterruptedError": 2}


def test_nothing_is_lost_while_the_database_is_down(make: Any, url: str, server: Database) -> None:
    """Threads go on failing while it is killed, away, and back."""
    faulty = make(url)
    faulty.ask("/handler")
    stop = threading.Event()
    asked: list[int] = []

    def storm(number: int) -> None:
        visitor, count = Client(faulty.site), 0
        while not stop.wait(0.005):  # a hundred times the rate that is asked for, and not all of the processor
            assert visitor.get("/other" if number % 2 else "/handler").status == 500
            count += 1
        asked.append(count)

    waiting, home = faulty.site.tickets.waiting, faulty.site.tickets.home

    def wait_for_more(count: int, what: str) -> None:
        before = sum(one["count"] for one in waiting.records())
        until(lambda: sum(one["count"] for one in waiting.records()) > before + count, what)

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_for_more(20, "No storm.")
        crash(server)
        until(lambda: home._outage.down, "Nobody has noticed.")
        wait_for_more(300, "No storm while it is down.")
        assert faulty.ask("/database-down").status == 503
        server.start()
        until(lambda: not home._outage.down, "Nobody has found it again.")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    faulty.ask("/fine")  # the next request of any kind brings home what is left
    until(lambda: faulty.ask("/fine").status == 200 and not waiting.any, "Something still waits.")
    tickets = faulty.tickets(flush=False)
    assert len(tickets) == 2, "an outage is no ticket"
    assert sum(ticket["count"] for ticket in tickets) == sum(asked) + 1
    assert all(len(ticket["samples"]) == 3 for ticket in tickets)


def test_a_database_that_freezes_while_it_keeps_a_ticket_holds_up_nobody(
    make: Any, url: str, server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection stands, and no answer comes: the visitor has his page all the same, and the count is right."""
    faulty = make(url)
    faulty.ask("/handler")
    keep, asked = table.keep, threading.Event()

    def frozen(*given: Any) -> bool:
        if not asked.is_set():
            asked.set()
            stack.enter_context(server.stopped())
        return keep(*given)

    monkeypatch.setattr(table, "keep", frozen)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(faulty.ask, "/handler")
        try:
            until(answer.done, "The request waits for a database that is frozen.", 15)
        finally:
            stack.close()
        assert (answer.result().status, asked.is_set()) == (500, True)
    assert faulty.counts() == {"RuntimeError": 2}


def test_what_waits_in_memcached_outlives_its_process(
    make: Any, mariadb: MariaDB, mariadb_url: str, memcached: Memcached
) -> None:
    faulty = make(mariadb_url, memcached__url=memcached.url)
    faulty.ask("/handler")
    crash(mariadb)
    faulty.ask("/handler")
    assert [one["count"] for one in spill.look(faulty.site.need_memcached())[0]] == [2], "in case that it dies"
    program = f"""
import logging, os
logging.disable()
from pathlib import Path
from tests.faulty import Faulty
faulty = Faulty(Path({str(faulty.root)!r}), database__url={mariadb_url!r}, memcached__url={memcached.url!r})
for _ in range(30):
    assert faulty.ask("/handler").status == 500
faulty.site.tickets.home.leave()
os._exit(0)
"""
    run = [sys.executable, "-c", program]
    others = [subprocess.Popen(run, cwd=ROOT) for _ in range(2)]
    assert [other.wait(PATIENCE) for other in others] == [0, 0]
    mariadb.start()
    assert faulty.counts() == {"RuntimeError": 62}
    records, _ = spill.look(faulty.site.need_memcached())
    assert records == []


def test_memcached_keeps_the_higher_count_and_cuts_what_is_too_much(make: Any, memcached: Memcached) -> None:
    faulty = make("", memcached__url=memcached.url, session__type="memcached")
    cache = faulty.site.need_memcached()
    spill.put(cache, [record(count=5)])
    spill.put(cache, [record(count=4), record("s2", count=2)])
    assert {one["series"]: one["count"] for one in spill.look(cache)[0]} == {"s1": 5, "s2": 2}
    import os

    big = [{"time": number, "traceback": os.urandom(30_000).hex()} for number in range(3)]
    assert spill.put(cache, [record(f"big{number}", samples=big) for number in range(20)])
    found = spill.look(cache)[0]
    assert len(found) == 22
    assert {len(one["samples"]) for one in found if one["series"].startswith("big")} == {1}
    cache.set(spill.KEY, b"somebody else's", 60)
    assert spill.look(cache)[0] == []


def test_without_a_database_memcached_is_the_home(make: Any, memcached: Memcached) -> None:
    faulty = make("", memcached__url=memcached.url, session__type="memcached")
    for _ in range(3):
        faulty.ask("/handler")
    assert faulty.site.tickets.flush()
    assert [one["count"] for one in spill.look(faulty.site.need_memcached())[0]] == [3]


def test_a_series_begins_anew_only_after_it_was_home() -> None:
    waiting = Waiting()
    name = {"error": "E", "place": "p", "message": "m"}
    for _ in range(5):
        waiting.add("id", lambda: name, dict)
    (before,) = waiting.records()
    waiting.is_home("id", before["series"], 4)
    waiting.begin_again("id", before["series"])
    (after,) = waiting.records()
    assert (after["count"], after["series"] != before["series"]) == (1, True)
    waiting.begin_again("id", before["series"])
    assert waiting.records() == [after], "somebody else has been here first"


def test_an_error_whose_text_makes_a_ticket_holds_up_nobody() -> None:
    waiting = Waiting()
    name = {"error": "E", "place": "p", "message": "m"}

    def asking() -> dict[str, Any]:
        waiting.add("of its text", lambda: name, dict)
        return name

    def many() -> None:
        for number in range(MOST + 1):  # of the last, only the log hears
            waiting.add(f"{number}", asking, asking)

    thread = threading.Thread(target=many, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(waiting.records()) == MOST


def test_several_processes_while_the_database_is_killed(
    tmp_path: Path, mariadb: MariaDB, mariadb_url: str, make: Any
) -> None:
    """gunicorn with two workers; the tickets of both come home, the last ones as the workers end."""
    faulty = make(mariadb_url)
    (tmp_path / "faulty_site.py").write_text(
        "import os\nfrom pathlib import Path\nfrom tests.faulty import Faulty\n"
        f"app = Faulty(Path({str(tmp_path)!r}), database__url={mariadb_url!r}, session__type='cookie').site\n"
    )
    asked = 0

    def fail(url: str) -> int:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE)  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        return 200

    env, made = {"PYTHONPATH": str(tmp_path)}, [tmp_path]  # each process makes the site's files
    with serving("gunicorn-gthread", "faulty_site:app", "--workers=2", env=env, writable=made) as server:
        with ThreadPoolExecutor(4) as threads:
            for act in (mariadb.start, partial(crash, mariadb), mariadb.start):
                act()
                answers = list(threads.map(fail, [f"{server.url}/handler", f"{server.url}/other"] * 50))
                assert set(answers) == {500}
                asked += len(answers)
        server.stop()
    counts = {ticket["place"].rpartition(" ")[2]: ticket["count"] for ticket in faulty.tickets()}
    assert counts == {"handler": asked // 2, "other": asked // 2}
