"""The stores of files: each test that asks for `shelf` runs once on every one of them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from demijohn.database import Database
from demijohn.files.stores.base import Store
from demijohn.files.stores.database import DatabaseStore
from demijohn.files.stores.disk import DiskStore
from demijohn.files.stores.memory import MemoryStore
from demijohn.files.stores.objects import ObjectStore
from tests.services import until
from tests.services.gcs import GcsStandin
from tests.services.s3 import S3

_numbers = itertools.count()
#: Discard, where nobody listens.
NOWHERE = "http://127.0.0.1:9"


class Shelf(NamedTuple):
    """A store that works, and what stands behind it."""

    store: Store
    #: The database that the store is in; None: in none.
    db: Database | None
    #: Takes away what it keeps things in, for the length of a `with` block.
    down: Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="session")
def the_s3() -> Iterator[S3]:
    with S3() as server:
        yield server


@pytest.fixture(scope="session")
def the_gcs() -> Iterator[GcsStandin]:
    with GcsStandin() as server:
        yield server


@pytest.fixture(params=["memory", "disk", "sqlite", "mariadb", "postgresql", "s3", "gcs"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    kind: str = request.param
    if kind == "memory":
        yield Shelf(MemoryStore(), None, _never)
    elif kind == "disk":
        folder = tmp_path / "files"
        yield Shelf(DiskStore(folder), None, lambda: _no_folder(folder))
    elif kind == "s3":
        server: S3 = request.getfixturevalue("the_s3")
        server.start()
        bucket = server.create(f"bucket-{next(_numbers)}")
        given = {"region": "us-east-1", "key_id": "tests", "key": "tests"}
        yield from _objects(ObjectStore("s3", bucket, endpoint=server.url, **given), "endpoint", NOWHERE)
    elif kind == "gcs":
        google: GcsStandin = request.getfixturevalue("the_gcs")
        bucket = google.create(f"bucket-{next(_numbers)}")
        store = ObjectStore("gcs", bucket, key=google.key())
        yield from _objects(store, "service_account_key", google.key(gcs_base_url=NOWHERE))
    else:
        yield from _database(kind, request, tmp_path)


def _objects(store: ObjectStore, name: str, nowhere: str) -> Iterator[Shelf]:
    @contextlib.contextmanager
    def down() -> Iterator[None]:
        # Its buckets are in its memory: it stays, and the store looks for it elsewhere.
        right = store._given[name]
        store._given[name] = nowhere
        store.close()
        try:
            yield
        finally:
            store._given[name] = right
            store.close()
            store._outage.over()

    yield Shelf(store, None, down)
    store.close()


def _database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    url: str = request.getfixturevalue(f"{kind}_url")
    db = Database(url)
    store = DatabaseStore(db.alone, db.joins, db.metadata)
    db.create_all()

    @contextlib.contextmanager
    def down() -> Iterator[None]:
        if kind == "sqlite":
            db.close()
            file = tmp_path / "test.sqlite"
            file.rename(tmp_path / "away")
            file.mkdir()  # which SQLite cannot open
            try:
                yield
            finally:
                file.rmdir()
                (tmp_path / "away").rename(file)
            return
        server = request.getfixturevalue(kind)
        dialect: Any = db.engine.dialect
        dialect.outage.pause = 0.01  # seconds; a second would have to be waited for
        server.stop()
        try:
            yield
        finally:
            server.start()
            until(lambda: db.health()[0], "The database is not asked again.")

    yield Shelf(store, db, down)
    db.close()


@contextlib.contextmanager
def _no_folder(folder: Path) -> Iterator[None]:
    """What was there is out of reach: a file stands in the place of the folder."""
    if folder.exists():
        folder.rename(folder.with_name("away"))
    folder.write_text("")
    try:
        yield
    finally:
        folder.unlink()
        if folder.with_name("away").exists():
            folder.with_name("away").rename(folder)


def _never() -> Any:
    pytest.skip("the memory of the process is never out of reach")
