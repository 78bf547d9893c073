"""`demijohn files`, on a site in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from demijohn.cli import files as files_command
from demijohn.cli import main
from demijohn.database import Database
from demijohn.files import Files
from demijohn.files.stores.database import DatabaseStore
from tests.sites import clean_environment

DOOR = """
import os
from sqlalchemy.orm import Mapped, mapped_column
from demijohn import Site
application = site = Site(os.path.dirname(os.path.abspath(__file__)))

class Note(site.db.Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    picture: Mapped[str | None] = site.files.column()
    cover: Mapped[str | None]
"""
OLD = 2 * 86400


class Place:
    """A site in a folder, and the same files from outside."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (root / "config.yaml").write_text("demijohn:\n  environment: development\n  files.url: /u\n")
        (root / "index.wsgi").write_text(DOOR)
        self.root, self._capsys = root, capsys
        self.db = Database(f"sqlite:///{root / 'data.sqlite'}")
        self.store = DatabaseStore(self.db.alone, self.db.joins, self.db.metadata)
        self.files = Files(self.store)

    def run(self, *words: str) -> tuple[int, str, str]:
        """The status, and what was printed and complained of."""
        status = main([*words[:1], "--root", str(self.root), *words[1:]])
        out, err = self._capsys.readouterr()
        return status, out, err

    def do(self, sql: str, **values: Any) -> None:
        with self.db.unit() as db:
            db.execute(sqlalchemy.text(sql), values)

    def age(self) -> None:
        """Have everything been saved two days ago."""
        self.do(f"UPDATE demijohn_files SET saved = {int(time.time()) - OLD}")
        self.do(f"UPDATE demijohn_file_pieces SET begun = {int(time.time()) - OLD}")

    def names(self) -> set[str]:
        return {kept.name for kept in self.store.kept()}


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    place = Place(tmp_path, capsys)
    command = [sys.executable, "-m", "demijohn", "db", "--root", str(tmp_path), "create"]
    made = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True).stdout
    assert "demijohn_file_pieces, demijohn_files" in made
    yield place
    place.db.close()


def test_listed_shown_and_deleted(place: Place) -> None:
    content = "%PDF-1.7 €".encode() * 50_000
    name, other = place.files.save(content).name, place.files.save(b"other").name
    place.files.save(b"other")
    status, out, err = place.run("files", "list")
    lines = sorted(line.split()[:3] for line in out.splitlines())
    assert (status, lines) == (0, sorted([[name, "600,000", "1"], [other, "5", "2"]]))
    assert err == "2 files, 600,005 bytes.\n"
    assert place.run("files", "show", name) == (0, content.decode(), "")
    assert place.run("files", "delete", name, "nothing.png") == (
        1,
        "",
        "There is no file nothing.png. Nothing was deleted.\n",
    )
    assert place.names() == {name, other}
    assert place.run("files", "delete", name, other) == (0, "Deleted 2 files.\n", "")
    assert place.names() == set()
    assert place.run("files", "show", name) == (1, "", "This file is not here, or not any more.\n")


def test_clean_takes_what_nobody_names_and_no_more(place: Place) -> None:
    used, covered, unused = (place.files.save(word).name for word in (b"used", b"covered", b"unused"))
    place.files.save(b"unused")
    place.do("INSERT INTO notes (picture, cover) VALUES (:used, :covered), (NULL, NULL)", used=used, covered=covered)
    place.do("INSERT INTO demijohn_file_pieces VALUES ('half', 0, 'x', 0), ('half', 1, 'y', 0)")
    place.age()
    young = place.files.save(b"young").name
    place.do(f"INSERT INTO demijohn_file_pieces VALUES ('coming', 0, 'x', {int(time.time())})")

    dry = ("files", "clean", "--dry-run", "--column", "notes.cover")
    assert place.run(*dry) == (0, f"{unused}\nFound 1 file that no row names.\n", "")
    assert place.names() == {used, covered, unused, young}
    status, out, _ = place.run("files", "clean", "--column", "notes.cover")
    expected = f"Deleted what 1 broken-off upload left.\n{unused}\nDeleted 1 file that no row names.\n"
    assert (status, out) == (0, expected)
    assert place.names() == {used, covered, young}
    with place.db.unit() as db:
        marks = set(db.scalars(sqlalchemy.text("SELECT mark FROM demijohn_file_pieces")))
    assert (len(marks), "half" in marks, "coming" in marks) == (4, False, True)
    assert b"".join(place.files.open(used)) == b"used"

    place.age()
    place.files.save(b"young")  # saved again, and its row may still be on its way
    assert place.run("files", "clean", "--column", "notes.cover")[1].endswith("Deleted 0 files that no row names.\n")


def test_who_saves_the_same_while_it_is_cleaned_up_keeps_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal content is one file: its row comes after the rows were looked through."""
    name = place.files.save(b"a picture").name
    place.age()
    judge = files_command._unused

    def meanwhile(*arguments: Any) -> list[Any]:
        unused = list(judge(*arguments))
        place.files.save(b"a picture")
        return unused

    monkeypatch.setattr(files_command, "_unused", meanwhile)
    assert place.run("files", "clean")[1].endswith(f"{name}\nDeleted 1 file that no row names.\n")
    assert b"".join(place.files.open(name)) == b"a picture"


def test_a_column_that_is_not_there_is_named(place: Place) -> None:
    assert place.run("files", "clean", "--column", "notes.covers") == (
        1,
        "",
        "notes has no column 'covers'. Is it cover?\n",
    )
    assert place.run("files", "clean", "--column", "note.cover")[2].startswith("There is no table 'note'")


def test_where_nothing_can_be_seen_from_outside_it_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMIJOHN_FILES_STORE", "memory")
    status, _, err = place.run("files", "list")
    assert status == 1
    assert err.startswith("The files are in the memory of each process of the site, which nobody else sees.")


def test_a_store_that_is_down_is_named_with_its_reason(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://site:secret@127.0.0.1:9/site")
    status, _, err = place.run("files", "list")
    assert status == 1
    assert err.startswith("The store of the files, database, is not answering: ")
    assert "secret" not in err


def test_a_dump_takes_the_files_along(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 6000
    name = place.files.save(content).name
    place.do("INSERT INTO notes (picture) VALUES (:name)", name=name)
    dump = str(place.root / "all.dump.gz")
    status, out, err = place.run("db", "dump", dump)
    assert (status, out) == (0, f"Dumped 8 rows of 3 tables into {dump}.\n")
    assert "demijohn_file" not in err
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{place.root / 'other.sqlite'}")
    assert place.run("db", "create")[0] == 0
    assert place.run("db", "load", dump)[0] == 0
    other = Database(f"sqlite:///{place.root / 'other.sqlite'}")
    files = Files(DatabaseStore(other.alone, other.joins, other.metadata))
    assert b"".join(files.open(name)) == content
    files.delete(name)
    assert not files.exists(name)
    other.close()
