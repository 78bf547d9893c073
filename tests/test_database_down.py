"""A database that is down, or lets nobody in: what a site answers meanwhile, and how often it asks."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import text

from demijohn.database import Database as Plugin
from demijohn.errors import DatabaseDownError
from tests.client import Answer, Client
from tests.gate import Gate
from tests.services import Database, until
from tests.shop import Shop


@pytest.fixture
def gate(server: Database) -> Iterator[Gate]:
    with Gate(server.port) as gate:
        yield gate


@pytest.fixture
def shop(gate: Gate, url: str) -> Iterator[Shop]:
    shop = Shop(gate.url(url))
    shop.read_and_write()
    shop.app.route("/plain", callback=lambda: "plain")
    yield shop
    assert shop.checked_out == 0
    shop.db.close()


def is_busy(answer: Answer) -> None:
    assert (answer.status, answer.header("Retry-After")) == (503, "2")
    assert "nothing was changed" in answer.text
    assert "Traceback" not in answer.text


def test_a_site_begins_while_its_database_is_down(gate: Gate, url: str) -> None:
    Shop(url).db.close()  # the tables are there
    gate.close()
    from demijohn import Site

    site = Site("tests/apps", {"database.url": gate.url(url), "environment": "production", "secret": "s" * 40})

    @site.get("/read")
    def read(db: Any) -> str:
        return str(db.scalar(text("SELECT COUNT(*) FROM notes")))

    site.route("/plain", callback=lambda: "plain")
    visitor = Client(site)
    assert visitor.get("/plain").text == "plain"
    assert visitor.get("/read").status == 503
    assert visitor.get("/plain").text == "plain"
    gate.open()
    until(lambda: visitor.get("/read").status == 200, "The database is not found again.")
    site.db.close()


def test_a_server_that_goes_while_the_first_connection_looks_around(
    server: Database, gate: Gate, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    Shop(url).db.close()
    site = bottle.Bottle()
    db: Plugin = site.install(Plugin(gate.url(url)))
    site.route("/count", callback=lambda db: str(db.scalar(text("SELECT COUNT(*) FROM notes"))))
    visitor = Client(site)
    # What SQLAlchemy asks before the first statement of a process: the version, the modes.
    gate.before("version()" if server.name == "postgresql" else "@@", gate.turn_away)
    is_busy(visitor.get("/count"))
    until(lambda: gate.has_sprung, "SQLAlchemy did not ask.")
    assert caplog.text.count("is not answering") == 1
    gate.open()
    until(lambda: visitor.get("/count").text == "0", "The database is not found again.")
    db.close()


@pytest.mark.parametrize("how", ["close", "turn_away"])
def test_while_it_is_down_it_is_asked_once_a_second(
    shop: Shop, gate: Gate, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    seconds, attempts, statuses = 3.0, 0, Counter[int]()
    dialect: Any = shop.db.engine.dialect
    failed = dialect.outage.failed
    counting = threading.Lock()

    def count(error: Exception) -> None:
        nonlocal attempts
        with counting:
            attempts += 1
        failed(error)

    def visit() -> None:
        visitor = Client(shop.app)
        while time.monotonic() < end:
            for method, path in (("GET", "/read"), ("POST", "/write"), ("GET", "/plain")):
                status = visitor.ask(method, path).status
                with counting:
                    statuses[status] += 1

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(dialect.outage, "failed", count)
        getattr(gate, how)()
        is_busy(shop.client.get("/read"))
        before, end = gate.connections, time.monotonic() + seconds
        threads = [threading.Thread(target=visit) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - end + seconds
        gate.open()
        until(lambda: shop.client.get("/read").status == 200, "The database is not found again.")
    assert 2 <= attempts <= seconds + 3, "once a second, and once for its return"
    if how == "turn_away":
        assert gate.connections - before <= seconds + 3
    assert set(statuses) == {200, 503}
    assert statuses[200] * 2 == statuses[503], "a page that needs no database does not notice"
    assert shop.client.post("/write").status == 200
    outages = [record.getMessage() for record in caplog.records if "is not answering:" in record.getMessage()]
    assert 1 <= len(outages) <= 2, "the log hears of it once a minute"
    assert [record for record in caplog.records if "is answering again" in record.getMessage()]


def test_a_unit_meanwhile_raises_what_it_is(shop: Shop, gate: Gate) -> None:
    gate.close()
    is_busy(shop.client.get("/read"))
    with pytest.raises(DatabaseDownError, match=r"^The database at 127\.0\.0\.1:\d+ did not answer a moment ago"):
        shop.texts()
    with pytest.raises(DatabaseDownError):
        shop.db.alone(text("SELECT 1"), {})


def test_an_old_connection_is_not_asked_for_what_the_new_ones_are_denied(shop: Shop, gate: Gate) -> None:
    """A server that starts again is found by whoever asks next, and the connections of before it are not tried."""
    gate.close()
    is_busy(shop.client.get("/read"))
    gate.open()
    until(lambda: shop.client.get("/read").status == 200, "The database is not found again.")
    before = gate.connections
    for _ in range(20):
        assert shop.client.get("/read").status == 200
    assert gate.connections == before


def test_a_frozen_server_is_waited_for_and_answers_when_it_thaws(shop: Shop, server: Database) -> None:
    """Kernels go on answering for a process that has stopped: only time would tell it from one that works hard."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(shop.client.get("/read")))
    with server.stopped():
        thread.start()
        thread.join(0.3)
        assert answers == []
    thread.join()
    assert [answer.status for answer in answers] == [200]


def test_a_frozen_server_is_not_waited_for_long_where_a_connection_is_wanted(url: str, server: Database) -> None:
    shop = Shop(url, connect_timeout=2)
    shop.read_and_write()
    shop.db.close()
    with server.stopped():
        began = time.monotonic()
        is_busy(shop.client.get("/read"))
        assert time.monotonic() - began < 2 + 5
        with pytest.raises(DatabaseDownError):
            shop.texts()
        is_busy(shop.client.post("/write"))
    until(lambda: shop.client.get("/read").status == 200, "The database is not found again.")
    assert shop.checked_out == 0
    shop.db.close()
