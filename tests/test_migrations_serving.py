"""What a serving process says of a database that does not fit it, and what it does not do: alter tables."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import pytest

from demijohn.cli.run import _make_tables
from tests.client import Client
from tests.projects import AGE, NOTE, Project
from tests.services import until


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    project = Project(tmp_path, database_url)
    project.does("init")
    project.does("migrate", "-m", "first")
    project.does("upgrade")
    return project


def warned(project: Project, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log hears of the database while a process answers some requests."""
    site = project.site()
    visitor = Client(site)
    with caplog.at_level(logging.DEBUG, "demijohn.database"):
        caplog.clear()
        for _ in range(3):
            assert visitor.get("/").text == "1"
            site.db.close()  # the next one connects again
        until(lambda: not any(t.name == "demijohn-schema" for t in threading.enumerate()), "It hangs.")
    site.sessions.close()
    site.db.close()
    told = [record for record in caplog.records if record.name == "demijohn.database"]
    return [record.getMessage() for record in told if record.levelno >= logging.WARNING]


def test_behind_and_ahead_are_told_apart_and_once(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    site = project.site()
    assert (site.db.migrations.schema().state, warned(project, caplog)) == ("at head", [])
    project.write("second", project.version()[0], "op.add_column('notes', sa.Column('age', sa.Integer))")
    (told,) = warned(project, caplog)
    assert told == ("The database is behind this release by 1 migration: second (second). Run: demijohn db upgrade")
    assert "age" not in project.tables()["notes"]
    behind = project.site()
    schema = behind.db.migrations.schema()
    assert (schema.state, [revision.id for revision in schema.missing]) == ("behind", ["second"])
    project.execute("UPDATE alembic_version SET version_num = 'newer'")
    (told,) = warned(project, caplog)
    assert told.startswith("The database is ahead of this release: it is at newer, which this release does not know.")
    assert behind.db.migrations.schema().unknown == ("newer",)
    project.execute("DROP TABLE alembic_version")
    assert behind.db.migrations.schema().state == "no version"
    for each in (site, behind):
        each.db.close()


def test_run_migrates_an_empty_database_and_no_other(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path, sqlite_url)
    project.does("init")
    project.does("migrate", "-m", "first")
    first = project.site()
    _make_tables(first)
    first.db.close()
    assert "Ran " in capsys.readouterr().out
    project.does("check")
    project.models(NOTE + AGE)
    project.does("migrate", "-m", "age")
    capsys.readouterr()
    second = project.site()
    _make_tables(second)
    second.db.close()
    assert "The database is behind this release by 1 migration" in capsys.readouterr().err
    assert "age" not in project.tables()["notes"]


def test_a_site_without_migrations_asks_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, "mysql+pymysql://nobody@127.0.0.1:1/none", session={"type": "memory"})
    site = project.site()
    assert site.db.migrations.schema().state == "no migrations"
    site.close()


def test_to_look_makes_no_file(tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, sqlite_url)
    project.does("init")
    assert project.db("current") == 0
    project.does("migrate", "-m", "first")
    capsys.readouterr()
    for words, status in (("current", 0), ("check", 1)):
        assert project.db(words) == status
        assert "No migration has run on this database; this release has 1 migration. Run" in capsys.readouterr().out
    site = project.site()
    assert site.db.migrations.schema().state == "no version"
    site.db.close()
    assert not (tmp_path / "test.sqlite").exists()
    project.does("upgrade")
    assert (tmp_path / "test.sqlite").exists()


def test_a_folder_of_alembics_is_taken_as_it_is(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path, sqlite_url)
    project.write("ae1027a6acf", None, "op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True))")
    (tmp_path / "migrations" / "env.py").write_text("raise RuntimeError('not run')")
    project.does("init")
    assert "Its env.py is not run" in capsys.readouterr().out
    project.does("upgrade")
    assert "notes" in project.tables()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = (", "cannot be read: "),
        ("x = 1", "is no migration: it has no line"),
        ("revision = 'b'\ndown_revision = 'gone'", "follows gone, which is not in "),
        ("revision = 'a'", "Two migrations have the id a: "),
        ("revision = str(1)", "does not say revision as plain text"),
    ],
)
def test_files_that_cannot_be_used_are_told(
    source: str, said: str, tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path, sqlite_url)
    project.write("a", None, "pass")
    (project.versions / "b.py").write_text(source)
    assert project.db("upgrade") == 1
    assert said in capsys.readouterr().out


def test_without_alembic_it_says_what_to_install(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, sqlite_url)
    project.write("a", None, "pass")
    monkeypatch.setitem(sys.modules, "alembic", None)
    for words in (["upgrade"], ["migrate"], ["init"], ["upgrade", "--sql"]):
        assert project.db(*words) == 1
        assert "pip install 'demijohn[migrations]'" in capsys.readouterr().out
    project.does("current")


@pytest.mark.parametrize(
    ("dialect", "words"), [("mysql", "AUTO_INCREMENT"), ("postgresql", "SERIAL"), ("sqlite", "INTEGER NOT NULL")]
)
def test_sql_for_another_database(
    dialect: str, words: str, tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path, sqlite_url)
    project.does("init")
    project.does("migrate", "-m", "first")
    id = project.files[0].read_text().split('revision = "')[1][:12]
    project.write(
        "second",
        id,
        "op.add_column('notes', sa.Column('age', sa.Integer))\n"
        "    op.execute(sa.table('notes', sa.column('text', sa.String)).update().values(text='new'))",
        "op.drop_column('notes', 'age')",
    )
    capsys.readouterr()
    project.does("upgrade", "--sql", "--dialect", dialect)
    assert words in capsys.readouterr().out
    project.does("upgrade", "--sql", "--dialect", dialect, id)
    said = capsys.readouterr().out
    assert "CREATE TABLE notes" in said
    assert "ADD COLUMN age" not in said
    project.does("upgrade", "--sql", "--dialect", dialect, f"{id}:head")
    said = capsys.readouterr().out
    assert "ALTER TABLE notes ADD COLUMN age INTEGER;" in said
    assert "UPDATE notes SET text='new';" in said
    assert "CREATE TABLE" not in said
    project.does("downgrade", "--sql", "--dialect", dialect, f"second:{id}")
    assert "ALTER TABLE notes DROP COLUMN age;" in capsys.readouterr().out
    assert project.db("downgrade", "--sql", "-1") == 1
    assert "Say it: demijohn db downgrade --sql FROM:TO" in capsys.readouterr().out
