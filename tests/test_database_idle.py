"""A server that hangs up on connections at rest, and visitors who come as they like: none of them notices, and nobody
asks the server whether it is still there."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from tests.client import Client
from tests.services import PATIENCE, MariaDB, PostgreSQL
from tests.shop import Shop

VISITORS = 20
LASTING = 10.0  # seconds
PAUSE = 6.0  # seconds that a visitor waits at most
#: Seconds after which the servers hang up, and after which a connection is not used again.
HANGS_UP, IDLE = 4, 1.5


@pytest.fixture(scope="module")
def hasty_mariadb() -> Iterator[MariaDB]:
    with MariaDB(f"--wait-timeout={HANGS_UP}") as server:
        yield server


@pytest.fixture(scope="module")
def hasty_postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL("-c", f"idle_session_timeout={HANGS_UP}s") as server:
        yield server


class Rests:
    """How long each connection of a shop has rested whenever it was taken out of the pool, in seconds."""

    def __init__(self, shop: Shop) -> None:
        self._since: dict[Any, float] = {}
        self._rests: list[float] = []
        event.listen(shop.db.engine, "checkin", self._put)
        event.listen(shop.db.engine, "checkout", self._take, insert=True)  # before the one that may refuse it

    def longer(self, seconds: float) -> int:
        """How many rested longer than this."""
        return sum(rest > seconds for rest in self._rests)

    def _put(self, _connection: Any, record: Any) -> None:
        self._since[record] = time.monotonic()

    def _take(self, _connection: Any, record: Any, _fairy: Any) -> None:
        if record in self._since:
            self._rests.append(time.monotonic() - self._since.pop(record))


def _open(url: str) -> tuple[Shop, Rests]:
    """A shop whose pool has an open connection for each visitor."""
    shop = Shop(url, pool_size=VISITORS, max_overflow=0, idle=IDLE)
    rests = Rests(shop)
    shop.read_and_write()
    together = threading.Barrier(VISITORS, timeout=PATIENCE)

    @shop.app.get("/together")
    def wait(db: Any) -> str:
        db.connection()
        together.wait()
        return "ok"

    @shop.app.post("/count/<number:int>")
    def count(number: int, db: Any) -> str:
        db.add(shop.Note(text=f"note {number}"))
        return "ok"

    assert _all(lambda _: [Client(shop.app).get("/together").status]) == [200] * VISITORS
    return shop, rests


def _visit(shop: Shop) -> Counter[tuple[str, int]]:
    """Have all visitors come and go. How often each kind of request had each status."""
    end = time.monotonic() + LASTING

    def visit(visitor: int) -> list[tuple[str, int]]:
        random, client = Random(visitor), Client(shop.app)  # noqa: S311
        answers: list[tuple[str, int]] = []
        while time.monotonic() < end:
            time.sleep(random.uniform(0, PAUSE))
            if random.random() < 0.25:
                number = visitor * 1000 + len(answers)
                answers.append(("write", client.post(f"/count/{number}").status))
            else:
                answers.append(("read", client.get("/read").status))
        return answers

    return Counter(_all(visit))


def _all(visit: Callable[[int], list[Any]]) -> list[Any]:
    with ThreadPoolExecutor(VISITORS) as threads:
        return [answer for answers in threads.map(visit, range(VISITORS)) for answer in answers]


def _pings(server: MariaDB) -> int:
    """COM_PING, which is in no log."""
    ((_, number),) = server.execute("SHOW GLOBAL STATUS LIKE 'Com_admin_commands'")
    return int(number)


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_nobody_notices_that_the_server_hangs_up(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    server: Any = request.getfixturevalue(f"hasty_{kind}")
    shop, rests = _open(server.create("idle"))
    pings = _pings(server) if kind == "mariadb" else 0
    with server.statements() as seen:
        answers = _visit(shop)
    assert {status for _, status in answers} == {200}, answers
    assert caplog.records == []
    # Less, because the pool looked at its clock a moment earlier, and on a loaded machine many moments.
    assert seen.connections <= rests.longer(IDLE - 0.5), "a connection was replaced that had not rested too long"
    # On twenty open connections that are taken in turn, nearly every request would find one that has rested too long.
    assert seen.connections < answers.total() / 2
    assert len(shop.texts()) == 1 + answers["write", 200]
    if kind == "mariadb":
        assert _pings(server) == pings
    asked = [statement for statement in seen if statement.strip().upper().startswith(("SELECT 1", ";"))]
    assert asked == [], "a connection was asked how it is"
    shop.db.close()


def test_on_sqlite_there_is_nobody_to_hang_up(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_database_idle.LASTING", 3)
    shop, _ = _open(sqlite_url)
    opened: list[Any] = []
    event.listen(shop.db.engine, "connect", lambda connection, _: opened.append(connection))
    answers = _visit(shop)
    assert {status for _, status in answers} == {200}, answers
    assert opened == []
    shop.db.close()
