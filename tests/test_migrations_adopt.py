"""Databases whose tables were made before there were migrations, and what else must not go unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects import AGE, COUNT, NOTE, OWN, TAG, Project


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A developer's: the tables were there before the migrations."""
    project = Project(tmp_path, database_url)
    project.does("create")
    project.execute("INSERT INTO notes (text) VALUES ('mine')")
    project.does("init")
    return project


def test_the_first_migration_makes_everything_and_runs_on_nobody_who_has_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.does("migrate")
    assert "create_table('notes'" in project.files[0].read_text()
    capsys.readouterr()
    project.does("upgrade")
    said = capsys.readouterr().out
    assert "The tables were there without a version. They stand at" in said
    assert "Ran " not in said
    project.models(NOTE + AGE)
    project.does("migrate", "-m", "age")
    project.does("upgrade")
    assert project.execute("SELECT text, age FROM notes") == [("mine", None)]
    project.does("check")


def test_a_database_of_the_first_release_meets_the_second(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Production, whose tables `db create` had made, is given the first two migrations at once."""
    project.does("migrate", "-m", "first")
    first = project.files[0].read_text().split('revision = "')[1][:12]
    project.write("second", first, 'op.add_column("notes", sa.Column("age", sa.Integer))')
    project.models(NOTE + AGE.replace("index=True", ""))
    capsys.readouterr()
    project.does("upgrade")
    said = capsys.readouterr().out
    assert f"They stand at {first}." in said
    assert "Ran second" in said
    assert project.execute("SELECT text, age FROM notes") == [("mine", None)]
    project.does("check")


def test_tables_that_are_ahead_of_the_migrations_are_not_believed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables are as the models, the models are more than the migrations: to write down that all have run would
    leave production without the rest for ever."""
    project.does("migrate", "-m", "first")
    project.models(NOTE + TAG)
    site = project.site()
    assert site.create_tables() == ["tags"]
    site.db.close()
    capsys.readouterr()
    assert project.db("upgrade") == 1
    said = capsys.readouterr().out
    assert f"has the tables {', '.join(OWN)}, notes, tags, but no migration has run on it" in said
    assert "it has tags.id, tags.name, tags.note_id besides" in said
    assert "demijohn db upgrade --adopt REVISION" in said
    assert project.db("migrate") == 1
    assert "Only a database that is up to date can be compared" in capsys.readouterr().out
    project.execute("DROP TABLE tags")
    project.does("upgrade")
    assert project.db("migrate", "-m", "tags") == 0
    assert "tags" in project.files[-1].read_text()


def test_what_could_be_either_is_asked_about(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A migration that leaves the same columns: whether it has run cannot be seen."""
    project.models(NOTE + COUNT)
    project.execute("ALTER TABLE notes ADD COLUMN count INTEGER NOT NULL DEFAULT 5")
    project.does("migrate", "-m", "first")
    first = project.files[0].read_text().split('revision = "')[1][:12]
    project.write("second", first, "op.execute(\"UPDATE notes SET text = 'changed'\")")
    capsys.readouterr()
    assert project.db("upgrade") == 1
    assert f"They could be what any of {first}; second leaves." in capsys.readouterr().out
    project.does("upgrade", "--adopt", first)
    assert project.execute("SELECT text FROM notes") == [("changed",)]
    assert project.version() == ["second"]


def test_a_migration_for_one_database_alone_needs_a_word(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """What SQLite cannot replay is not guessed at."""
    project.write("only", None, 'op.execute("SELECT of_no_database()")')
    assert project.db("upgrade") == 1
    assert "They are not as any of the migrations leaves them. If its data" in capsys.readouterr().out
    project.does("upgrade", "--adopt", "only")
    assert project.version() == ["only"]


def test_db_create_runs_the_migrations(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate", "-m", "first")
    project.models(NOTE + TAG)
    capsys.readouterr()
    project.does("create")
    assert "They stand at" in capsys.readouterr().out
    assert "tags" not in project.tables()  # not beside the migrations
    project.does("migrate", "-m", "tags")
    project.does("create")
    assert "tags" in project.tables()
    project.does("check")


def test_two_heads(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate", "-m", "first")
    project.does("upgrade")
    first = project.version()[0]
    project.write("left", first, 'op.add_column("notes", sa.Column("a", sa.Integer))')
    project.write("right", first, 'op.add_column("notes", sa.Column("b", sa.Integer))')
    for words in (["upgrade"], ["migrate"]):
        capsys.readouterr()
        assert project.db(*words) == 1
        assert (
            "The migrations have 2 ends: left (left) in left.py and right (right) in right.py. Two branches of the "
            "source have each added one. Join them: demijohn db migrate --merge"
        ) in capsys.readouterr().out
    project.does("migrate", "--merge")
    assert "Wrote " in capsys.readouterr().out
    project.does("upgrade")
    assert project.tables()["notes"] >= {"a", "b"}
    project.does("migrate", "--merge")
    assert "one end" in capsys.readouterr().out


def test_ahead(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate", "-m", "first")
    project.does("upgrade")
    project.execute("UPDATE alembic_version SET version_num = 'newer'")
    for words in (["upgrade"], ["check"], ["migrate"], ["downgrade", "-1"]):
        capsys.readouterr()
        assert project.db(*words) == 1
        assert "The database is ahead of this release: it is at newer, which this" in capsys.readouterr().out
    assert project.db("current") == 0


def test_rows_that_refer_to_a_table_made_anew_stay(project: Project) -> None:
    """SQLite alters a table by making another and dropping the first, which takes along what refers to it."""
    project.models(NOTE + TAG)
    project.does("migrate", "-m", "first")
    project.execute("DELETE FROM notes")
    for table in ("notes", *OWN):
        project.execute(f"DROP TABLE {table}")
    project.does("upgrade")
    project.execute("INSERT INTO notes (id, text) VALUES (1, 'x')")
    project.execute("INSERT INTO tags (note_id, name) VALUES (1, 'kept')")
    project.models(NOTE.replace("sa.String(50)", "sa.String(80)") + TAG)
    project.does("migrate", "-m", "longer")
    project.does("upgrade")
    assert project.execute("SELECT name FROM tags") == [("kept",)]
    project.does("check")


def test_rows_must_not_be_left_referring_to_nothing(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path, sqlite_url, NOTE + TAG)
    project.does("init")
    project.does("migrate", "-m", "first")
    project.does("upgrade")
    project.execute("INSERT INTO notes (id, text) VALUES (1, 'x')")
    project.execute("INSERT INTO tags (note_id, name) VALUES (1, 'kept')")
    project.write("second", project.version()[0], 'op.execute("DELETE FROM notes")')
    assert project.db("upgrade") == 1
    assert "leave 1 rows that refer to a row which is gone, in tags. Nothing was changed." in capsys.readouterr().out
    assert project.execute("SELECT text FROM notes") == [("x",)]
