"""Migrations: made from the models, run up and down, on each database."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.projects import AGE, COUNT, NOTE, OWN, TAG, Project

ZOO = """
class Kind(Enum):
    small = "small"
    large = "large"

class Shout(sa.TypeDecorator):
    impl = sa.String(30)
    cache_ok = True

class Zoo(site.db.Model):
    __tablename__ = "zoo"
    id: Mapped[int] = mapped_column(primary_key=True)
    big: Mapped[int] = mapped_column(sa.BigInteger)
    small: Mapped[int] = mapped_column(sa.SmallInteger, server_default="1")
    text: Mapped[str] = mapped_column(sa.String(40), server_default="a (b")
    none: Mapped[str] = mapped_column(sa.String(40), server_default="")
    long: Mapped[str] = mapped_column(sa.Text)
    flag: Mapped[bool] = mapped_column(server_default=sa.false())
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2), server_default="0")
    ratio: Mapped[float]
    day: Mapped[date]
    made: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    data: Mapped[bytes] = mapped_column(sa.LargeBinary)
    rest: Mapped[dict] = mapped_column(sa.JSON)
    kind: Mapped[Kind]
    told: Mapped[str] = mapped_column(Shout, unique=True)
    key: Mapped[str] = mapped_column(sa.Uuid)
    __table_args__ = (sa.Index("ix_zoo_two", "big", "small"), sa.CheckConstraint("big > 0", name="positive"))
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    project = Project(tmp_path, database_url)
    project.does("init")
    return project


def test_from_the_first_model_to_a_new_column_and_back(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate", "-m", "Begin: notes!")
    (first,) = project.files
    assert first.name.endswith("_begin_notes.py")
    assert project.tables() == {}
    project.does("upgrade")
    assert set(project.tables()) == {"notes", *OWN, "alembic_version"}
    project.models(NOTE + AGE + COUNT + TAG)
    capsys.readouterr()
    assert project.db("check") == 1
    said = capsys.readouterr().out
    for change in ("create tags", "add notes.age", "add notes.count", "index notes"):
        assert change in said
    project.execute("INSERT INTO notes (text) VALUES ('kept')")
    project.does("migrate")
    second = project.files[-1]
    assert "create_tags_add_notes_" in second.name
    project.does("upgrade")
    assert project.execute("SELECT text, age, count FROM notes") == [("kept", None, 0)]
    project.does("check")
    project.does("downgrade", "-1")
    assert project.tables()["notes"] == {"id", "text"}
    assert "tags" not in project.tables()
    assert project.execute("SELECT text FROM notes") == [("kept",)]
    project.does("downgrade", "base")
    assert set(project.tables()) == {"alembic_version"}
    project.does("upgrade", "+1")
    project.does("upgrade", project.version()[0][:6])
    assert project.tables()["notes"] == {"id", "text"}


def test_a_model_that_goes_is_dropped_and_what_others_made_is_not(project: Project) -> None:
    project.models(NOTE + TAG)
    project.execute("CREATE TABLE theirs (id INTEGER)")
    project.does("migrate")
    project.does("upgrade")
    project.models(NOTE)
    project.does("migrate", "-m", "no more tags")
    assert "theirs" not in project.files[-1].read_text()
    project.does("upgrade")
    assert set(project.tables()) == {"notes", *OWN, "alembic_version", "theirs"}
    project.does("check")
    project.does("downgrade", "-1")
    assert "tags" in project.tables()


def test_nothing_changed_writes_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate")
    project.does("upgrade")
    project.does("migrate")
    assert len(project.files) == 1
    assert "Nothing has changed" in capsys.readouterr().out


def test_every_kind_of_column_is_found_as_it_was_made(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.models(ZOO)
    project.does("migrate", "-m", "zoo")
    (path,) = project.files
    source = path.read_text()
    assert "Shout" not in source  # a migration does not import the site
    assert "sa.String(length=30)" in source
    ast.parse(source)
    project.does("upgrade")
    capsys.readouterr()
    assert project.db("check") == 0, capsys.readouterr().out
    project.does("downgrade", "base")
    project.does("upgrade")
    project.does("check")


def test_a_changed_type_and_default_is_seen(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.models(NOTE + COUNT)
    project.does("migrate")
    project.does("upgrade")
    project.models(NOTE.replace("sa.String(50)", "sa.String(80)") + COUNT.replace("'0'", "'7'"))
    assert project.db("check") == 1
    said = capsys.readouterr().out
    assert "change notes.text" in said
    assert "change notes.count" in said
    project.does("migrate")
    project.does("upgrade")
    project.does("check")
    project.execute("INSERT INTO notes (text) VALUES ('x')")
    assert project.execute("SELECT count FROM notes") == [(7,)]


def test_a_migration_that_fails_in_the_middle(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate", "-m", "good")
    (good,) = project.versions.glob("*.py")
    id = good.read_text().split('revision = "')[1][:12]
    project.write(
        "bad",
        id,
        'op.create_table("half", sa.Column("id", sa.Integer, primary_key=True)); op.execute("SELECT * FROM no")',
    )
    project.write("after", "bad", "raise RuntimeError('never reached')")
    assert project.db("upgrade") == 1
    said = capsys.readouterr().out
    assert "The migration bad (bad) failed: " in said
    assert "SQLAlche" not in said
    if project.url.startswith("sqlite"):
        assert project.tables() == {}
        assert "Nothing was changed, neither by it nor by what ran before it. The database is at no version." in said
    elif project.url.startswith("postgresql"):
        assert set(project.tables()) == {"notes", *OWN, "alembic_version"}
        assert f"Nothing of it was kept. What ran before it is kept: {id} (good). The database is at {id}." in said
    else:
        assert "half" in project.tables()
        assert "cannot take back a change of a table: what the migration did before it failed is kept" in said
        assert f"The database is at {id}." in said
        project.execute("DROP TABLE half")
    (project.versions / "bad.py").unlink()
    (project.versions / "after.py").unlink()
    project.does("upgrade")
    project.does("check")


def test_an_autocommit_block_runs(project: Project) -> None:
    project.does("migrate", "-m", "one")
    id = project.files[0].read_text().split('revision = "')[1][:12]
    refused = "" if project.url.startswith("mysql") else '; op.execute("VACUUM")'  # in any transaction
    block = 'with op.get_context().autocommit_block(): op.execute("CREATE TABLE alone (id INTEGER)")'
    project.write("two", id, f"{block}{refused}")
    project.does("upgrade")
    assert "alone" in project.tables()
    assert project.version() == ["two"]


def test_the_sql_runs_as_it_is_printed(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate")
    capsys.readouterr()
    project.does("upgrade", "--sql")
    printed = capsys.readouterr().out
    assert project.tables() == {}  # nothing was run
    plain = "\n".join(line for line in printed.splitlines() if not line.startswith("--"))
    for statement in plain.split(";"):
        if statement.strip() and statement.strip() not in ("BEGIN", "COMMIT"):
            project.execute(statement)
    project.does("check")


def test_wrong_names_are_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.does("migrate")
    for words in (["upgrade", "nothing"], ["downgrade", "nothing"], ["upgrade", "--sql", "nothing:head"]):
        capsys.readouterr()
        assert project.db(*words) == 1
        assert "There is no migration 'nothing'. There are " in capsys.readouterr().out
    assert project.db("downgrade", "-1") == 1
    assert "there is none to take back" in capsys.readouterr().out
