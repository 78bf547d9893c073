"""What a database that answers may refuse: locks, more connections, writes. Nothing is half done, and nobody is told
that it was."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from sqlalchemy import event, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from demijohn.database import Database as Plugin
from tests.client import Answer, Client
from tests.services import PATIENCE, Database, MariaDB
from tests.shop import Shop


@pytest.fixture
def shop(url: str) -> Iterator[Shop]:
    with made(url) as shop:
        yield shop


@contextlib.contextmanager
def made(url: str) -> Iterator[Shop]:
    shop = Shop(url)
    shop.read_and_write()
    with shop.db.unit() as db:
        db.add(shop.Note(text="second"))
    try:
        yield shop
        assert shop.checked_out == 0
    finally:
        shop.db.close()


def is_busy(answer: Answer) -> None:
    assert (answer.status, answer.header("Retry-After")) == (503, "2")
    assert "nothing was changed" in answer.text
    assert "Traceback" not in answer.text


def test_a_lock_that_another_holds(shop: Shop) -> None:
    @shop.app.post("/lock")
    def lock(db: Any) -> str:
        db.add(shop.Note(text="new"))
        db.flush()
        db.scalars(select(shop.Note).where(shop.Note.text == "first").with_for_update(nowait=True)).one()
        return "ok"

    with shop.db.unit() as other:
        other.execute(update(shop.Note).where(shop.Note.text == "first").values(count=1))
        is_busy(shop.client.post("/lock"))
        assert shop.texts() == {"first", "second"}
    assert shop.client.post("/lock").status == 200
    assert shop.texts() == {"first", "second", "new"}


def test_of_two_who_wait_for_each_other_one_is_asked_to_come_again(shop: Shop) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    @shop.app.post("/<one>/<two>")
    def swap(db: Any, one: str, two: str) -> str:
        db.execute(update(shop.Note).where(shop.Note.text == one).values(count=shop.Note.count + 1))
        both.wait()
        db.execute(update(shop.Note).where(shop.Note.text == two).values(count=shop.Note.count + 1))
        return "ok"

    answers: list[Answer] = []

    def visit(path: str) -> None:
        answers.append(Client(shop.app).post(path))

    threads = [threading.Thread(target=visit, args=(path,)) for path in ("/first/second", "/second/first")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good, refused = sorted(answers, key=lambda answer: answer.status)
    assert good.status == 200
    is_busy(refused)
    with shop.db.unit() as db:
        assert list(db.scalars(select(shop.Note.count))) == [1, 1]


def test_more_connections_than_the_server_allows(
    shop: Shop, server: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with limited(server), contextlib.ExitStack() as stack:
        shop.db.close()
        hold_all(shop, stack)
        is_busy(shop.client.get("/read"))
        is_busy(shop.client.post("/write"))
    assert "onnections" in caplog.text
    assert shop.client.get("/read").status == 200, "found again at once: the server was never away"
    assert shop.client.post("/write").status == 200


@contextlib.contextmanager
def limited(server: Database) -> Iterator[None]:
    """A server that allows a few connections."""
    if isinstance(server, MariaDB):
        with server.setting("max_connections", 10):  # its least
            yield
        return
    server.execute("ALTER ROLE site CONNECTION LIMIT 2")
    yield
    server.execute("ALTER ROLE site CONNECTION LIMIT -1")


def hold_all(shop: Shop, stack: contextlib.ExitStack) -> None:
    """Take connections until the server gives no more."""
    other = Plugin(shop.db.url, pool_size=20)
    stack.callback(other.close)
    with contextlib.suppress(OperationalError):
        for _ in range(20):
            stack.enter_context(other.engine.connect())


def test_a_server_that_has_become_read_only(url: str, server: Database, caplog: pytest.LogCaptureFixture) -> None:
    """As after a failover: the old primary goes on as a replica, and the old connections with it."""
    with made(_as_a_plain_user(url, server)) as shop:
        with read_only(shop, server):
            assert shop.client.get("/read").text == "first"
            with caplog.at_level(logging.WARNING):
                is_busy(shop.client.post("/write"))
        assert "read-only" in caplog.text
        assert shop.texts() == {"first", "second"}
        assert shop.client.post("/write").status == 200, "a connection that was made to a replica is not kept"


def _as_a_plain_user(url: str, server: Database) -> str:
    """MariaDB lets whoever has all privileges write in spite of it."""
    if not isinstance(server, MariaDB):
        return url
    name = make_url(url).database
    with pymysql.connect(unix_socket=str(server.socket), user="root") as root, root.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON {name}.* TO plain@'%' IDENTIFIED BY 'secret'")
    return make_url(url).set(username="plain").render_as_string(hide_password=False)


@contextlib.contextmanager
def read_only(shop: Shop, server: Database) -> Iterator[None]:
    if isinstance(server, MariaDB):
        with server.setting("read_only", 1):
            yield
        return
    name = shop.db.engine.url.database
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server.hang_up()
    yield
    server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


# SQLite


@pytest.fixture
def file(sqlite_url: str) -> Iterator[Shop]:
    with made(sqlite_url) as shop:
        yield shop


def test_a_file_that_another_writes_to(file: Shop, caplog: pytest.LogCaptureFixture) -> None:
    @event.listens_for(file.db.engine, "connect")
    def be_brief(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout=20")  # milliseconds

    file.db.close()
    with file.db.unit() as other:
        other.execute(update(file.Note).values(count=1))
        is_busy(file.client.post("/write"))
        is_busy(file.client.get("/write-safely"))
        assert file.client.get("/read").text == "first", "readers go on"
    assert "locked" in caplog.text
    assert file.client.post("/write").status == 200
    assert file.texts() == {"first", "second", "written"}


def full(shop: Shop) -> None:
    """Let the file grow no further."""

    @event.listens_for(shop.db.engine, "connect")
    def limit(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA max_page_count=1")  # it takes the size that there is for the least


def test_a_disk_that_is_full(file: Shop, caplog: pytest.LogCaptureFixture) -> None:
    @file.app.post("/many")
    def many(db: Any) -> str:
        for number in range(5000):
            db.add(file.Note(text=f"note {number} {'x' * 40}"))
            db.flush()
        return "ok"

    full(file)
    file.db.close()
    is_busy(file.client.post("/many"))
    assert "full" in caplog.text
    assert file.texts() == {"first", "second"}
    assert file.client.get("/read").text == "first"


def test_a_file_that_is_gone(sqlite_url: str, tmp_path: Any) -> None:
    with made(sqlite_url) as shop:
        shop.db.close()
        path = tmp_path / "test.sqlite"
        for name in list(tmp_path.iterdir()):
            if name != path:
                name.unlink()
        kept = path.rename(tmp_path / "kept")
        path.mkdir()
        is_busy(shop.client.get("/read"))
        is_busy(shop.client.post("/write"))
        path.rmdir()
        kept.rename(path)
        assert shop.client.get("/read").text == "first"


def test_a_file_that_is_no_database(sqlite_url: str, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    with made(sqlite_url) as shop:
        shop.db.close()
        for name in list(tmp_path.iterdir()):
            name.unlink()
        (tmp_path / "test.sqlite").write_bytes(b"This is no database. " * 100)
        answer = shop.client.get("/read")
        assert answer.status == 500
        assert "not a database" in answer.errors + caplog.text
