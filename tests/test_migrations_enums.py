"""Enumerations in migrations: PostgreSQL has types of them, the others parts of a column."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects import NOTE, Project

KIND = 'class Kind(Enum):\n    small = "small"\n    large = "large"\n'
MORE = KIND.replace("    small", '    tiny = "tiny"\n    small', 1) + '    enormous = "enormous"\n'
COLUMN = "    kind: Mapped[Optional[Kind]]\n"
MEMORY = {"type": "memory"}  # no table of theirs to make again and again
BOX = """
class Box(site.db.Model):
    __tablename__ = "boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(server_default="small")
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    project = Project(tmp_path, database_url, session=MEMORY)
    project.does("init")
    return project


def migrate(project: Project, models: str) -> str:
    """Write and run the migration to these models. Returns its source."""
    project.models(models)
    before = set(project.files)
    project.does("migrate")
    (path,) = set(project.files) - before
    project.does("upgrade")
    project.does("check")
    return path.read_text()


def types(project: Project) -> list[str]:
    """PostgreSQL's types and their members."""
    found = project.execute(
        "SELECT typname, string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_type "
        "JOIN pg_enum ON enumtypid = pg_type.oid GROUP BY typname ORDER BY typname"
    )
    return [f"{name}: {labels}" for name, labels in found]


def everything_both_ways(project: Project) -> None:
    project.does("downgrade", "base")
    assert set(project.tables()) == {"alembic_version"}
    if project.url.startswith("postgresql"):
        assert types(project) == []
    project.does("upgrade")
    project.does("check")


def test_of_a_new_column_and_then_of_a_second_table(project: Project) -> None:
    migrate(project, NOTE)
    migrate(project, KIND + NOTE + COLUMN)
    migrate(project, KIND + NOTE + COLUMN + BOX)
    project.does("downgrade", "-1")
    project.does("upgrade")
    everything_both_ways(project)


def test_that_goes_and_comes_again(project: Project) -> None:
    migrate(project, KIND + NOTE + COLUMN + BOX)
    migrate(project, KIND + NOTE + COLUMN)
    if project.url.startswith("postgresql"):
        assert types(project) == ["kind: small large"]
    migrate(project, NOTE)
    if project.url.startswith("postgresql"):
        assert types(project) == []
    for _ in range(2):
        project.does("downgrade", "-1")
    project.does("upgrade")
    migrate(project, KIND + NOTE + BOX)
    everything_both_ways(project)


def test_new_members(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    migrate(project, KIND + NOTE + COLUMN + BOX)
    project.execute("INSERT INTO boxes (id) VALUES (1)")
    project.models(MORE + NOTE + COLUMN + BOX)
    capsys.readouterr()
    assert project.db("check") == 1
    said = capsys.readouterr().out
    assert "change boxes.kind" in said
    assert "change notes.kind" in said
    migrate(project, MORE + NOTE + COLUMN + BOX)
    if project.url.startswith("postgresql"):
        assert types(project) == ["kind: tiny small large enormous"]
    project.execute("INSERT INTO boxes (id, kind) VALUES (2, 'tiny')")
    project.execute("INSERT INTO boxes (id) VALUES (3)")  # the default is kept
    assert project.execute("SELECT kind FROM boxes ORDER BY id") == [("small",), ("tiny",), ("small",)]
    project.execute("DELETE FROM boxes WHERE kind = 'tiny'")
    project.does("downgrade", "-1")
    project.does("upgrade")
    everything_both_ways(project)


@pytest.mark.parametrize("there", ["mariadb_url", "postgresql_url"])
def test_written_on_sqlite_and_run_elsewhere(
    there: str, tmp_path: Path, sqlite_url: str, request: pytest.FixtureRequest
) -> None:
    home = Project(tmp_path, sqlite_url, session=MEMORY)
    home.does("init")
    migrate(home, NOTE)
    migrate(home, KIND + NOTE + COLUMN)
    migrate(home, KIND + NOTE + COLUMN + BOX)
    migrate(home, MORE + NOTE + COLUMN + BOX)
    away = Project(tmp_path, request.getfixturevalue(there), MORE + NOTE + COLUMN + BOX, session=MEMORY)
    away.does("upgrade")
    away.does("check")
    away.execute("INSERT INTO boxes (kind) VALUES ('tiny')")
    away.execute("DELETE FROM boxes")
    away.does("downgrade", "-1")
    away.does("upgrade")
    for _ in range(3):
        away.does("downgrade", "-1")
    assert away.tables()["notes"] == {"id", "text"}
    everything_both_ways(away)


def test_as_sql(tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    home = Project(tmp_path, sqlite_url, session=MEMORY)
    home.does("init")
    migrate(home, NOTE)
    migrate(home, KIND + NOTE + COLUMN)
    capsys.readouterr()
    home.does("upgrade", "--sql", "--dialect", "postgresql")
    assert "CREATE TYPE kind AS ENUM ('small', 'large');" in capsys.readouterr().out
    home.does("upgrade", "--sql", "--dialect", "mysql")
    said = capsys.readouterr().out
    assert "TYPE" not in said
    assert "ADD COLUMN kind ENUM('small','large');" in said
