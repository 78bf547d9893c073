"""`demijohn sessions clean`, beside a site that runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from demijohn.cli.clean import bound, run
from demijohn.sessions.stores.sql import SqlStore
from tests.places import TIMEOUT, Place, id_of
from tests.services import PATIENCE, MariaDB, until
from tests.sites import clean_environment


def test_only_what_is_over_is_deleted_in_batches_while_the_site_runs(place: Place) -> None:
    place.put(3000, ends_in=-10)
    place.put(1, ends_in=TIMEOUT - 5)
    visitor = place.visitor()
    id, clicks, done = id_of(visitor), 1, threading.Event()

    def click_at_the_last_moment() -> None:
        nonlocal clicks
        while not done.is_set():
            place.move_end(id, ends_in=90)
            clicks += 1
            assert visitor.get("/click").json == {"clicks": clicks}

    thread = threading.Thread(target=click_at_the_last_moment)
    thread.start()
    try:
        until(lambda: clicks > 3, "The visitor does not come to clicking.")
        status, out, err = place.run("clean", "--once", "-v")
    finally:
        done.set()
        thread.join()
    *batches, summary = out.splitlines()
    assert (status, summary, err) == (0, "Deleted 3,000 sessions whose time was over.", "")
    assert len(batches) == 6
    for line in batches:
        assert re.fullmatch(r"Deleted a batch of 500 in \d+\.\d{3} s\.", line)
    assert place.left() == 2
    assert visitor.get("/click").json == {"clicks": clicks + 1}
    assert place.run("clean", "-o") == (0, "Nothing to delete.\n", "")


def test_one_that_is_used_between_the_look_and_the_deletion_stays(in_sqlite: Place) -> None:
    in_sqlite.put(5, ends_in=-10)
    alone = in_sqlite.site.db.alone

    def execute(statement: Any, parameters: Any) -> tuple[list[Any], int]:
        rows, count = alone(statement, parameters)
        if len(rows) == 5:
            in_sqlite.move_end(rows[2][0], ends_in=600)
        return rows, count

    assert list(SqlStore(execute).clean(time.time())) == [4]
    assert in_sqlite.left() == 1


def test_bar_where_somebody_looks(in_sqlite: Place) -> None:
    in_sqlite.put(1200, ends_in=-10)
    seen, stderr = pty.openpty()
    try:
        done = subprocess.run(
            in_sqlite.command("clean", "--once", "-v"),
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=clean_environment(),
            timeout=PATIENCE,
        )
        os.set_blocking(seen, False)
        shown = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(seen, 100_000):
                shown += piece
    finally:
        os.close(stderr)
        os.close(seen)
    batches = [line.partition(b" in ")[0] for line in done.stdout.splitlines()]
    assert batches == [
        b"Deleted a batch of 500",
        b"Deleted a batch of 500",
        b"Deleted a batch of 200",
        b"Deleted 1,200 sessions whose time was over.",
    ]
    assert b"1200/1200" in shown
    assert re.search("100%[|][█#]{5}", shown.decode())
    assert b"sessions/s" in shown


@pytest.mark.parametrize("way_out", [signal.SIGTERM, signal.SIGINT])
def test_again_and_again_until_a_signal(in_sqlite: Place, way_out: signal.Signals) -> None:
    in_sqlite.put(1, ends_in=-10)
    with in_sqlite.going_on("clean", "--sleep", "1") as (process, out, err):
        until(lambda: in_sqlite.left() == 0 and "Deleted" in out.read_text(), "Nothing is cleaned.")
        in_sqlite.put(2, ends_in=-20)
        until(lambda: "Deleted 2" in out.read_text(), "It does not clean again.")
        process.send_signal(way_out)
        assert process.wait(PATIENCE) == 0
        first, *others = [line for line in out.read_text().splitlines() if line != "Nothing to delete."]
        assert first == "Cleaning every 1 s (Ctrl+C stops)."
        assert others == [
            "Deleted 1 session whose time was over.",
            "Deleted 2 sessions whose time was over.",
        ]
        assert err.read_text() == ""


class Endless:
    """A store in which there is always more to delete. A signal comes with the second batch."""

    def over(self, before: float) -> int:
        return 10**9

    def clean(self, before: float, batch: int = 1000) -> Iterator[int]:
        yield 10
        signal.raise_signal(signal.SIGTERM)
        yield 20
        pytest.fail("It goes on.")


def test_a_signal_ends_a_cycle_after_its_batch(capsys: pytest.CaptureFixture[str]) -> None:
    args = argparse.Namespace(once=False, sleep=60, expiration=None, force=False, verbose=0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert run(args, Endless(), TIMEOUT) == 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert capsys.readouterr().out.splitlines()[1:] == ["Deleted 30 sessions whose time was over."]


def test_a_database_that_is_down_does_not_end_it(in_cached: Place, mariadb: MariaDB) -> None:
    with in_cached.going_on("clean", "--sleep", "1") as (process, out, err):
        until(lambda: "Nothing to delete." in out.read_text(), "It does not begin.")
        in_cached.put(1, ends_in=-10)
        mariadb.stop()
        until(lambda: err.read_text().count("\n") > 1, "It does not tell.")
        for line in err.read_text().splitlines():
            assert line.startswith("The session store 'sql' is not answering: ")
            assert line.endswith(". Next try in 1 s.")
        status, _, said = in_cached.run("clean", "--once")
        assert (status, said.startswith("The session store 'sql' is not answering: ")) == (1, True)
        mariadb.start()
        until(lambda: in_cached.left() == 0, "It does not go on.")
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_unused_sessions_are_deleted_by_force(place: Place) -> None:
    place.put(1, ends_in=-10)
    place.put(2, ends_in=590)  # last used 410 to 310 seconds ago
    place.put(4, ends_in=800)  # 200 to 100
    place.put(8, ends_in=TIMEOUT - 5)
    assert place.run("clean", "-o", "--expiration", "300") == (
        0,
        "Deleted 1 session whose time was over.\n",
        "Note: --expiration has no effect without --force. Each session has an end of its own.\n",
    )
    assert place.run("clean", "-o", "--force") == (0, "Nothing to delete.\n", "")
    by_force = "Deleted 2 sessions whose time was over or which had not been used for 300 s.\n"
    assert place.run("clean", "-o", "-f", "-x", "5m") == (0, by_force, "")
    assert place.left() == 12
    visitor = place.visitor()
    assert place.run("clean", "-ofx", "0") == (0, "Deleted 13 sessions.\n", "")
    assert visitor.get("/click").json == {"clicks": 1}, "memcached goes on with a session that was deleted"


def test_whoever_may_have_used_the_session_since_is_left_alone(in_sqlite: Place) -> None:
    """A read moves the end on only once in a tenth of the timeout, so an end of long ago may be of a visitor of now."""
    visitor = in_sqlite.visitor(user=7)
    in_sqlite.move_end(id_of(visitor), ends_in=TIMEOUT - TIMEOUT / 10 + 60)
    before = in_sqlite.ends(id_of(visitor))
    assert visitor.get("/user").json == {"user": 7}
    assert in_sqlite.ends(id_of(visitor)) == before, "this read has moved the end on: the test shows nothing"
    assert in_sqlite.run("clean", "-o", "-f", "-x", "1") == (0, "Nothing to delete.\n", "")
    assert visitor.get("/user").json == {"user": 7}


@pytest.mark.parametrize(
    ("timeout", "expiration", "from_now"),
    [
        (1000, None, 0),
        (1000, 1000, 0),  # never less than what is over
        (1000, 2000, 0),
        (1000, 300, 600),
        (1000, 899, 1),
        (2, 1, 0),  # for short timeouts the end is moved on once a second
        (1_209_600, 86_400, 1_209_600 - 120_960 - 86_400),
    ],
)
def test_which_sessions_are_unused(timeout: int, expiration: int | None, from_now: int) -> None:
    now = 1_800_000_000.0
    assert bound(now, timeout, expiration) == now + from_now


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("in_redis", "Redis deletes a session by itself when its time is over"),
        ("in_memcached", "memcached forgets a session by itself when its time is over"),
        ("in_cookie", "each session lies with its visitor, in the cookie"),
    ],
)
def test_stores_that_end_sessions_by_themselves(store: str, why: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(store)
    assert place.run("clean") == (0, f"Nothing to clean: {why}.\n", "")
