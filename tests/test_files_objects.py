"""The stores of objects in what they have of their own: who asks, who is refused, and two who delete at once."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demijohn.errors import ConfigError
from demijohn.files import Files
from demijohn.files.errors import FilesDownError
from demijohn.files.stores.objects import ObjectStore
from tests.services.gcs import GcsStandin
from tests.shelves import Shelf
from tests.shelves import shelf as shelf
from tests.shelves import the_gcs as the_gcs
from tests.shelves import the_s3 as the_s3
from tests.test_files_site import make_site

MB = 1024 * 1024
objects = pytest.mark.parametrize("shelf", ["s3", "gcs"], indirect=True)


@objects
def test_who_deletes_what_another_has_just_deleted_is_told_so(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's answers a second deletion with a 404, and S3 as it answered the first."""
    store = shelf.store
    assert isinstance(store, ObjectStore)
    name = Files(store).save(b"a text").name
    listed = list(store._all(f"files/{name}"))
    assert store.release(name)
    monkeypatch.setattr(store, "_all", lambda prefix: iter(listed))
    assert store.release(name) is (store.name == "s3")
    assert store.clean(time.time() + 10) == (1 if store.name == "s3" else 0)


@objects
def test_a_bucket_that_is_not_there_is_a_mistake_and_no_outage(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(shelf.store, ObjectStore)
    shelf.store._bucket = "no-such-bucket"
    files = Files(shelf.store)
    for attempt in (
        lambda: files.save(b"a text"),
        lambda: files.save(bytes(6 * MB)),
        lambda: files.exists("a" * 32 + ".png"),
    ):
        _is_refused(attempt, "404 Not Found, NoSuchBucket", shelf.store, caplog)


def _is_refused(attempt: Callable[[], object], said: str, store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "demijohn.files"), pytest.raises(FilesDownError):
        attempt()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    told = caplog.records[0].getMessage()
    assert told.startswith(f"The bucket {store._bucket} ({store.name}) refuses. ")
    assert told.endswith(f" It said: {said}")
    assert not store._outage.down


def test_a_key_that_is_not_the_account_s_is_refused(the_gcs: GcsStandin, caplog: pytest.LogCaptureFixture) -> None:
    stranger = json.loads(GcsStandin().key())["private_key"]
    store = ObjectStore("gcs", the_gcs.create("refuses"), key=the_gcs.key(private_key=stranger))
    files = Files(store)
    said = "401 Unauthorized, AuthenticationRequired"
    _is_refused(lambda: files.save(b"a text"), said, store, caplog)
    _is_refused(lambda: list(store.kept()), said, store, caplog)


@pytest.mark.parametrize("who", ["the machine", "a file"])
def test_whoever_google_s_own_programs_would_be_needs_no_key(
    who: str, the_gcs: GcsStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BASE_URL", f"http://{the_gcs.address}")
    if who == "the machine":
        monkeypatch.setenv("GCE_METADATA_HOST", the_gcs.address)
    else:
        (tmp_path / "key.json").write_text(the_gcs.key())
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    files = Files(ObjectStore("gcs", the_gcs.create(f"of-{who[-4:]}")))
    assert b"".join(files.open(files.save(b"a text").name)) == b"a text"


def test_a_site_keeps_its_files_at_google_s_by_its_settings(
    the_gcs: GcsStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")  # Amazon's, and no matter of Google's
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    settings = {"files.store": "gcs", "files.bucket": the_gcs.create("of-a-site"), "files.prefix": "site"}
    monkeypatch.setenv("DEMIJOHN_FILES_KEY", the_gcs.key())
    site = make_site(tmp_path, "", **settings)
    file = site.files.save(bytes(6 * MB))
    assert [(kept.name, kept.size) for kept in site.files.store.kept()] == [(file.name, 6 * MB)]
    assert "PRIVATE KEY" not in repr([row.value for row in site.settings.rows()])


@pytest.mark.parametrize("key", ["a secret of Amazon's", "[]", '{"client_email": "me@example.org"}'])
def test_what_is_no_account_of_google_s_is_refused_at_boot(key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"files\.key is not the JSON of a service account"):
        make_site(tmp_path, "", **{"files.store": "gcs", "files.bucket": "b", "files.key": key})
