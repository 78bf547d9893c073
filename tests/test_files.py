"""What a store of files promises, by the same tests on each of them."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from base64 import b32encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from demijohn.database import Database
from demijohn.files import Files
from demijohn.files.errors import FilesDownError, FileTooLargeError, NoFileError
from demijohn.files.stores.base import Store
from demijohn.files.stores.database import PIECE, DatabaseStore
from demijohn.files.stores.disk import DiskStore
from demijohn.files.stores.objects import ObjectStore
from tests.services.s3 import S3
from tests.shelves import Shelf
from tests.shelves import shelf as shelf
from tests.shelves import the_gcs as the_gcs
from tests.shelves import the_s3 as the_s3

MB = 1024 * 1024
#: Sizes around the pieces of the stores.
SIZES = (0, 1, 15, 16, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * MB, 5 * MB + 1, 11 * MB + 17)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed or size).randbytes(size)  # noqa: S311


def dripping(content: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.fixture
def files(shelf: Shelf) -> Files:
    return Files(shelf.store)


def whole(files: Files, name: str) -> bytes:
    return b"".join(files.open(name))


def uses(store: Store) -> dict[str, int]:
    return {kept.name: kept.uses for kept in store.kept()}


def test_what_is_saved_comes_out_again_whatever_its_size(files: Files, shelf: Shelf) -> None:
    for size in SIZES:
        content = noise(size)
        file = files.save(dripping(content))
        assert file.size == size
        digest = b32encode(hashlib.sha256(content).digest()[:20]).decode().lower()
        assert file.name == f"{digest}.bin"
        assert file.url == f"/files/{file.name}"
        assert files.get(file.name) == file
        assert whole(files, file.name) == content
    assert shelf.store.clean(time.time() + 10) == 0  # it leaves nothing behind


def test_a_range_is_what_it_says(files: Files) -> None:
    content = noise(2 * PIECE + MB)
    name = files.save(content).name
    edges = (0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, MB, MB + 1, len(content) - 1, len(content))
    for start in edges:
        for stop in edges:
            if start <= stop:
                assert b"".join(files.open(name, start, stop)) == content[start:stop], (start, stop)
    assert b"".join(files.open(name, len(content) - 5, 10**12)) == content[-5:]
    assert b"".join(files.open(name, 10**12)) == b""


def test_equal_content_is_one_file_that_goes_with_the_last_who_deletes_it(files: Files, shelf: Shelf) -> None:
    for content in (b"small", noise(6 * MB)):
        names = {files.save(dripping(content)).name for _ in range(3)}
        (name,) = names
        assert uses(shelf.store) == {name: 3}
        files.delete(name)
        files.delete(name)
        assert whole(files, name) == content
        files.delete(name)
        assert not files.exists(name)
        assert files.get(name) is None
        files.delete(name)  # no error
        with pytest.raises(NoFileError, match="This file is not here, or not any more"):
            files.open(name)
        assert uses(shelf.store) == {}
        assert files.save(content).name == name  # it can come back
        files.delete(name)


def test_a_private_file_is_shared_with_none(files: Files, shelf: Shelf) -> None:
    public, first, second = files.save(b"equal"), files.save(b"equal", private=True), files.save(b"equal", private=True)
    assert len({public.name, first.name, second.name}) == 3
    assert first.name.startswith("private-")
    files.delete(first.name)
    assert (files.exists(public.name), files.exists(first.name), files.exists(second.name)) == (True, False, True)
    assert whole(files, second.name) == b"equal"


class Gone(ConnectionError):
    """The visitor has. An error of the same family is what a store has when it is down."""


@pytest.mark.parametrize("size", [100, PIECE + 1, 6 * MB])
def test_half_an_upload_is_never_a_file(size: int, files: Files, shelf: Shelf) -> None:
    def cut() -> Iterator[bytes]:
        yield from dripping(noise(size))
        raise Gone

    with pytest.raises(Gone):
        files.save(cut())
    assert uses(shelf.store) == {}
    assert shelf.store.clean(time.time() + 10) == 0  # nothing is left of it either


def test_what_is_too_large_is_refused_as_soon_as_that_is_known(files: Files, shelf: Shelf) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 64 * 1024
            yield bytes(64 * 1024)

    with pytest.raises(FileTooLargeError) as caught:
        files.save(endless(), limit=3 * MB)
    assert taken == 3 * MB + 64 * 1024
    assert caught.value.limit == 3 * MB
    assert str(caught.value) == "This file is too large: 3 MB is the most. (The setting is files.limit.)"
    assert caught.value.status_code == 413
    assert uses(shelf.store) == {}
    assert files.save(bytes(MB), limit=MB).size == MB


def test_a_store_that_is_down_says_so_and_loses_nothing(
    files: Files, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    kept = files.save(noise(PIECE + 1)).name
    with shelf.down():
        for attempt in (
            lambda: files.save(b"new"),
            lambda: files.save(dripping(noise(6 * MB))),
            lambda: whole(files, kept),
            lambda: files.delete(kept),
        ):
            if shelf.store.name == "disk" and attempt.__code__.co_names[-1] == "delete":
                continue
            with pytest.raises(FilesDownError) as caught:
                attempt()
            assert str(caught.value) == "The files cannot be reached at the moment. Please try again soon."
            assert (caught.value.status_code, caught.value.store) == (503, shelf.store.name)
            assert caught.value.headers["Retry-After"] == "5"
    if shelf.db is None:  # of a database that is down its part tells
        (said,) = [record.getMessage() for record in caplog.records if "is not answering" in record.getMessage()]
        assert said.startswith("The folder /" if shelf.store.name == "disk" else "The bucket ")
    assert uses(shelf.store) == {kept: 1}
    assert whole(files, kept) == noise(PIECE + 1)


def test_many_who_save_and_delete_at_once_do_not_harm_each_other(files: Files, shelf: Shelf) -> None:
    same, start = noise(2 * PIECE + 5), threading.Barrier(6)

    def visit(number: int) -> tuple[str, str]:
        start.wait()
        own = files.save(noise(PIECE + number, seed=number + 1)).name
        shared = files.save(dripping(same)).name
        if number % 2:
            files.delete(shared)
        return own, shared

    with ThreadPoolExecutor(6) as threads:
        names = list(threads.map(visit, range(6)))
    assert uses(shelf.store) == {names[0][1]: 3, **{own: 1 for own, _ in names}}
    assert whole(files, names[0][1]) == same
    for number, (own, _) in enumerate(names):
        assert whole(files, own) == noise(PIECE + number, seed=number + 1)


def test_a_file_that_is_deleted_while_it_is_read_ends_in_an_error_and_not_in_other_bytes(
    files: Files, shelf: Shelf
) -> None:
    content = noise(4 * MB)
    name = files.save(content).name
    reading = files.open(name)
    read = next(reading)
    files.delete(name)
    try:
        for piece in reading:
            read += piece
    except NoFileError:
        assert content.startswith(read)
    else:
        assert read == content  # who holds it open has it still


def test_a_list_is_by_name_and_says_how_large_and_how_old(files: Files, shelf: Shelf) -> None:
    before = int(time.time())
    names = sorted(files.save(noise(size + 1)).name for size in range(12))
    listed = list(shelf.store.kept())
    assert sorted(kept.name for kept in listed) == names
    assert sorted(kept.size for kept in listed) == list(range(1, 13))
    assert all(before <= kept.saved <= time.time() + 1 for kept in listed)


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a/b", "x" * 32 + ".png\n", "A" * 32 + ".png", "a" * 32 + ".exe", "ü" * 32]
)
def test_what_is_no_name_of_a_file_reaches_no_store(name: str) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(name)

    files = Files(Untouched)  # type: ignore[arg-type]
    assert not files.exists(name)
    files.delete(name)
    files.delete(None)


def test_a_file_that_was_cut_off_on_the_disk_is_not_waited_for(tmp_path: Path) -> None:
    files = Files(DiskStore(tmp_path))
    name = files.save(b"a text").name
    pieces = files.open(name)
    next(tmp_path.rglob(f"{name}~*")).write_bytes(b"a")
    assert next(pieces) == b"a"
    with pytest.raises(FilesDownError):
        next(pieces)


def test_the_log_says_why_a_database_refuses_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    db = Database(f"sqlite:///{tmp_path / 'test.sqlite'}")
    files = Files(DatabaseStore(db.alone, db.joins, db.metadata))
    db.create_all()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE demijohn_file_pieces RENAME TO of_old")
        connection.exec_driver_sql("CREATE TABLE demijohn_file_pieces (mark TEXT)")
    with pytest.raises(FilesDownError):
        files.save(b"x" * 100)
    db.close()
    assert "The database refuses what the files need: table demijohn_file_pieces has no column" in caplog.text


class Denies(BaseHTTPRequestHandler):
    """A bucket of which the key is not the right one."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        content = b"<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_the_log_says_what_to_do_about_a_bucket(the_s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    the_s3.start()

    def says(bucket: str, endpoint: str, key: str | None = "tests") -> str:
        caplog.clear()
        store = ObjectStore("s3", bucket, endpoint=endpoint, region="us-east-1", key_id=key, key=key)
        store._given["metadata_endpoint"] = "http://127.0.0.1:9"  # the machine, of which nobody knows where it runs
        with pytest.raises(FilesDownError):
            Files(store).save(b"new")
        store.close()
        return caplog.text

    assert "The bucket none-such (s3) refuses. There is none of this name there: make it" in says(
        "none-such", the_s3.url
    )
    assert "files.key_id is not set, so the machine is asked for a key" in says("any", the_s3.url, None)
    with HTTPServer(("127.0.0.1", 0), Denies) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = says("other", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert "The bucket other (s3) refuses. Look at the key (AWS_ACCESS_KEY_ID" in said
