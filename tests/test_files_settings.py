"""Which store a site keeps its files in, and when there are tables for them."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demijohn import Site
from demijohn.errors import ConfigError
from demijohn.files.errors import FilesMissingError
from tests.client import Client
from tests.projects import Project
from tests.test_files_site import PNG, make_site


def test_a_site_that_keeps_no_files_has_no_tables_for_them(tmp_path: Path, sqlite_url: str) -> None:
    site = make_site(tmp_path, sqlite_url)
    assert not [name for name in site.create_tables() if "file" in name]
    assert site.db.health()[0]
    with pytest.raises(FilesMissingError, match="demijohn db create"):
        site.files.save(PNG)
    site.db.close()


@pytest.mark.parametrize("how", ["setting", "column"])
def test_a_site_that_says_so_has_them(how: str, tmp_path: Path, sqlite_url: str) -> None:
    settings = {"files.store": "database"} if how == "setting" else {}
    site = make_site(tmp_path, sqlite_url, **settings)
    if how == "column":
        site.files.column()
        assert site.db.health() == (False, "tables missing")
    assert {"demijohn_files", "demijohn_file_pieces"} <= set(site.create_tables())
    assert site.db.health() == (True, "answers")
    assert site.files.save(PNG).size == len(PNG)
    site.db.close()


def test_without_a_database_they_are_in_memory_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site(tmp_path, "")
    assert site.settings["files.store"] == "memory"
    site.files.column()
    with caplog.at_level(logging.WARNING, "demijohn.files"):
        assert site.files.save(PNG).size == len(PNG)
    assert "The files are kept in the memory of each process" in caplog.text
    assert site.create_tables() == []


def test_a_store_by_its_setting(tmp_path: Path) -> None:
    site = make_site(tmp_path, "", **{"files.store": "disk", "files.path": "uploads", "files.url": "/u"})
    file = site.files.save(PNG)
    assert file.url == f"/u/{file.name}"
    assert [path.name.partition("~")[0] for path in (tmp_path / "uploads").glob("*/*")] == [file.name]
    assert Client(site).get(file.url).body == PNG
    account = '{"client_email": "e", "private_key": "k", "private_key_id": "i"}'
    for kind, key in (("s3", "s"), ("gcs", account)):
        given = {"files.store": kind, "files.bucket": "b", "files.key_id": "k", "files.key": key}
        assert make_site(tmp_path, "", **given).files.store.name == kind


@pytest.mark.parametrize(
    ("settings", "environ", "said"),
    [
        ({"files.store": "database", "database.url": ""}, {}, "files.store is database, but database.url is empty"),
        ({"files.store": "s3"}, {}, "files.store is s3, but files.bucket is not set"),
        (
            {"files.store": "s3", "files.bucket": "b", "files.key": "s"},
            {},
            "files.key_id and files.key belong together, and only one of them is set",
        ),
        (
            {"files.store": "disk"},
            {"DEMIJOHN_HOST": "heroku", "DATABASE_URL": "postgresql://x@y/z"},
            "files.store is disk, and Heroku forgets what is written to its disk; set it to database, s3 or gcs",
        ),
        (
            {"files.store": "memory", "environment": "production", "secret": "long enough to be one"},
            {},
            "files.store is memory, and outside development each process would have files of its own, until it ends",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(
    settings: dict[str, Any],
    environ: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        Site(tmp_path, {"environment": "development", **settings})
    assert said in str(caught.value)


def test_an_add_on_s_variables_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "BUCKETEER_BUCKET_NAME": "bucket-1",
        "BUCKETEER_AWS_REGION": "eu-west-1",
        "BUCKETEER_AWS_ACCESS_KEY_ID": "AKIA-planted",
        "BUCKETEER_AWS_SECRET_ACCESS_KEY": "planted-secret",
    }.items():
        monkeypatch.setenv(name, value)
    site = make_site(tmp_path, "", **{"files.store": "s3"})
    given = site.settings.section("files")
    assert (given["bucket"], given["region"], given["key_id"], given["key"]) == (
        "bucket-1",
        "eu-west-1",
        "AKIA-planted",
        "planted-secret",
    )
    assert "planted" not in repr([row.value for row in site.settings.rows()])


def test_a_plain_page_imports_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom demijohn import Site\n"
        f"site = Site({str(tmp_path)!r}, {{'environment': 'development'}})\n"
        "site.route('/')(lambda: 'plain')\n"
        "from tests.client import Client\nassert Client(site).get('/').body == b'plain'\n"
        "print([m for m in sys.modules if m.startswith(('demijohn.files.', 'sqlalchemy', 'PIL', 'obstore'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MODEL = """
class Note(site.db.Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    picture: Mapped[Optional[str]] = site.files.column()
"""


def test_a_migration_makes_the_tables_and_finds_no_difference_afterwards(mariadb_url: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "site", mariadb_url, MODEL)
    project.does("init")
    project.does("migrate", "-m", "files")
    project.does("upgrade")
    assert {"demijohn_files", "demijohn_file_pieces"} <= set(project.tables())
    project.does("check")
    site = project.site()
    content = bytes(range(256)) * 3000
    assert b"".join(site.files.open(site.files.save(content).name)) == content
    site.db.close()
