"""What keeping a ticket may cost: nothing where there is no room, no table, no file; and no count is wrong."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demijohn.tickets import Tickets
from demijohn.tickets.waiting import MOST
from tests.client import Client
from tests.faulty import Faulty, id_in, raises


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Faulty]:
    faulty = Faulty(tmp_path)
    faulty.site.create_tables()
    yield faulty
    faulty.close()


def test_a_locked_database_delays_nobody_and_loses_nothing(faulty: Faulty) -> None:
    other = sqlite3.connect(faulty.root / "data.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert faulty.ask("/handler").status == 500
    assert faulty.ask("/handler").status == 500
    other.execute("ROLLBACK")
    other.close()
    assert faulty.counts() == {"RuntimeError": 2}


def test_a_missing_table_is_told_once_and_breaks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faulty = Faulty(tmp_path)
    faulty.site.db.create_all()  # as it was before there were tickets
    for _ in range(5):
        assert id_in(faulty.ask("/handler").text)
    assert caplog.text.count("demijohn db create") == 1
    assert faulty.site.db.health() == (True, "answers")
    assert "demijohn_tickets" in faulty.site.create_tables()
    assert faulty.counts() == {"RuntimeError": 5}
    faulty.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    faulty = Faulty(tmp_path)
    assert faulty.ask("/handler").status == 500
    assert not (tmp_path / "data.sqlite").exists()
    faulty.close()


def test_without_a_place_there_is_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faulty = Faulty(tmp_path, tickets__store="off")
    assert "demijohn_tickets" not in faulty.site.create_tables()
    id = id_in(faulty.ask("/handler").text)
    assert id in caplog.text
    assert not faulty.site.tickets.waiting.any
    faulty.close()


def test_memory_is_bounded_and_the_log_has_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tickets = Tickets(engine=raises(OSError("down")))
    for number in range(MOST + 20):
        kind: Any = type(f"Error{number}", (Exception,), {})
        tickets.record(kind("x"))
    records = tickets.waiting.records()
    assert len(records) == MOST
    told = [record.facts for record in caplog.records if record.name == "demijohn.tickets" and hasattr(record, "facts")]
    assert len(told) == MOST + 20
    tickets.record(type("Error1", (Exception,), {})("x"))
    assert {record["count"] for record in tickets.waiting.records()} == {1, 2}, "those that are known are counted on"
    tickets.waiting.any = False


def test_many_threads_are_counted_exactly(faulty: Faulty) -> None:
    def storm() -> None:
        for _ in range(40):
            faulty_client.get("/handler")

    faulty_client = Client(faulty.site)
    threads = [threading.Thread(target=storm) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faulty.counts() == {"RuntimeError": 320}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_counts_for_itself(faulty: Faulty) -> None:
    faulty.ask("/handler")
    child = os.fork()
    if child == 0:
        try:
            for _ in range(3):
                faulty.ask("/handler")
            faulty.site.tickets.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    faulty.ask("/handler")
    assert faulty.counts() == {"RuntimeError": 5}


def test_a_process_that_ends_brings_its_own_home(faulty: Faulty) -> None:
    program = f"""
import logging
logging.disable()
from pathlib import Path
from tests.faulty import Faulty
faulty = Faulty(Path({str(faulty.root)!r}))
for _ in range(60):
    faulty.ask("/handler")
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent.parent)
    assert faulty.counts() == {"RuntimeError": 60}


def test_old_tickets_go_by_themselves(faulty: Faulty) -> None:
    faulty.ask("/plugin")
    assert len(faulty.tickets()) == 1
    with sqlite3.connect(faulty.root / "data.sqlite") as connection:
        connection.execute("UPDATE demijohn_tickets SET last = last - 91 * 86400")
    connection.close()
    another = Faulty(faulty.root)
    another.ask("/handler")
    assert another.counts() == {"RuntimeError": 1}
    another.close()
