"""One process migrates, the others wait, on each database; and a process that is killed is in nobody's way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.projects import Project
from tests.readonly import readonly
from tests.services import PATIENCE, MariaDB, until
from tests.sites import clean_environment

WAITS = "Another process is migrating this database."


class Slow(Project):
    """Its first migration says that it runs, and goes on when it is let."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(root, url)
        self.ran, self.go = root / "ran", root / "go"
        code = (
            "import os, time\n"
            f"    op.create_table('slow', sa.Column('id', sa.Integer, primary_key=True))\n"
            f"    with open({str(self.ran)!r}, 'a') as ran: ran.write(f'{{os.getpid()}}\\n')\n"
            f"    while not os.path.exists({str(self.go)!r}): time.sleep(0.01)\n"
            "    op.create_table('two', sa.Column('id', sa.Integer, primary_key=True))"
        )
        self.write("first", None, code)
        self.write("second", "first", "op.create_table('three', sa.Column('id', sa.Integer, primary_key=True))")

    def runs(self) -> list[str]:
        return self.ran.read_text().split() if self.ran.exists() else []

    @contextlib.contextmanager
    def running(self, count: int) -> Iterator[subprocess.Popen[str]]:
        """So many processes in `demijohn db upgrade`; the one that has started them prints their exit statuses."""
        command = [*self.command()[:3], "-c", FORKS, str(count), str(self.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
            try:
                yield process
            finally:
                self.go.touch()  # or they would never end

    def said(self) -> list[str]:
        return [path.read_text() for path in self.root.glob("out*")]


# Forked where all is imported, which else takes most of the time.
FORKS = """
import os, sys
import alembic.autogenerate, alembic.command, pymysql, psycopg, sqlalchemy.orm
import demijohn.cli.db.upgrade, demijohn.database.migrations.steps
from demijohn.cli import main
count, root = int(sys.argv[1]), sys.argv[2]
children = []
for number in range(count):
    pid = os.fork()
    if not pid:
        out = os.open(f"{root}/out{number}", os.O_CREAT | os.O_WRONLY)
        os.dup2(out, 1); os.dup2(out, 2)
        status = main(["db", "--root", root, "upgrade"])
        sys.stdout.flush()
        os._exit(status)
    children.append(pid)
print(*(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
"""


@pytest.fixture
def slow(tmp_path: Path, database_url: str) -> Slow:
    return Slow(tmp_path, database_url)


def test_ten_at_the_same_moment(slow: Slow) -> None:
    with slow.running(10) as processes:
        until(lambda: sum(WAITS in text for text in slow.said()) == 9, "Nine do not come to waiting.")
        until(slow.runs, "The one with the lock does not come to migrating.")
        assert len(slow.runs()) == 1
        slow.go.touch()
        statuses, _ = processes.communicate(timeout=PATIENCE)
    assert statuses.split() == ["0"] * 10
    assert sum("Ran first (first).\nRan second (second).\n" in text for text in slow.said()) == 1
    assert all(text.endswith("The database is at second.\n") for text in slow.said())
    assert len(slow.runs()) == 1
    assert slow.version() == ["second"]
    assert {"slow", "two", "three"} < set(slow.tables())


def test_one_that_is_killed_is_in_nobodys_way(slow: Slow, capsys: pytest.CaptureFixture[str]) -> None:
    with slow.running(1) as processes:
        until(slow.runs, "It does not come to migrating.")
        assert slow.db("upgrade", "--wait", "0.2") == 1
        said = capsys.readouterr()
        assert f"{WAITS} Waiting for it, 0.2 s at most." in said.err
        assert "Another process has been migrating this database for 0.2 s" in said.out
        os.kill(int(slow.runs()[0]), signal.SIGKILL)
        assert processes.communicate(timeout=PATIENCE)[0] == "-9\n"
    if slow.url.startswith("mysql"):
        slow.execute("DROP TABLE slow")  # MariaDB keeps what the one that was killed had made
    slow.does("upgrade")
    assert len(slow.runs()) == 2
    assert slow.version() == ["second"]


@pytest.mark.parametrize(
    ("kind", "kill"),
    [("mariadb_url", "KILL CONNECTION_ID()"), ("postgresql_url", "SELECT pg_terminate_backend(pg_backend_pid())")],
)
def test_a_lock_that_is_lost_with_its_connection(
    kind: str, kill: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends there, though the migration be written to go on and the server there again."""
    project = Project(tmp_path, request.getfixturevalue(kind))
    die = f"op.execute('COMMIT'); op.execute('{kill}')"
    make = "op.create_table('unlocked', sa.Column('id', sa.Integer, primary_key=True))"
    for code in (f"{die}; {make}", f"try: {die}\n    except Exception: op.get_bind().rollback(); {make}"):
        project.write("first", None, code)
        assert project.db("upgrade") == 1
        said = capsys.readouterr().out
        assert "The migration first (first) failed: " in said
        assert "lost" in said or "terminating connection" in said or "killed" in said, said
        assert "The database is at no version." in said
        assert "unlocked" not in project.tables()
    assert "The connection to the database was lost, and the lock with it. Nothing more is done" in said
    project.write("first", None, make)
    project.does("upgrade")


def test_a_table_of_versions_that_is_made_just_now(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One asks for the version before there is a table of it, and for the table when another has made it."""
    project = Project(tmp_path, database_url)
    project.write("first", None, "pass")
    reflect = sqlalchemy.Inspector.has_table

    def late(inspector: sqlalchemy.Inspector, *args: Any, **more: Any) -> bool:
        if not project.tables():
            project.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            project.execute("INSERT INTO alembic_version VALUES ('first')")
        return reflect(inspector, *args, **more)

    monkeypatch.setattr(sqlalchemy.Inspector, "has_table", late)
    project.does("upgrade")
    assert project.version() == ["first"]


def test_two_databases_of_one_server_do_not_wait_for_each_other(
    tmp_path: Path, mariadb: MariaDB, mariadb_url: str
) -> None:
    slow = Slow(tmp_path / "one", mariadb_url)
    other = Slow(tmp_path / "other", mariadb.create("other_site"))
    other.go.touch()
    try:
        with slow.running(1):
            until(slow.runs, "It does not come to migrating.")
            other.does("upgrade", "--wait", "0.1")
    finally:
        mariadb.drop("other_site")


def test_nothing_but_the_database_is_written(tmp_path: Path, mariadb_url: str) -> None:
    project = Slow(tmp_path, mariadb_url)
    project.write("first", None, "op.create_table('one', sa.Column('id', sa.Integer, primary_key=True))")
    environment = {k: v for k, v in clean_environment().items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):
        done = subprocess.run(
            readonly(project.command("upgrade")), capture_output=True, text=True, env=environment, timeout=PATIENCE
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("second.\n")
    done = subprocess.run(project.command("downgrade", "base"), capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert list((tmp_path / "migrations").rglob("__pycache__")) == []  # nor where it could be


def test_at_head_alembic_is_not_imported(tmp_path: Path, sqlite_url: str) -> None:
    slow = Slow(tmp_path, sqlite_url)
    slow.go.touch()
    slow.does("upgrade")
    code = (
        "import sys; from demijohn.cli import main\n"
        f"status = main(['db', '--root', {str(slow.root)!r}, 'upgrade'])\n"
        "sys.exit(status or 'alembic' in sys.modules)"
    )
    done = subprocess.run([*slow.command()[:1], "-c", code], capture_output=True, text=True, env=clean_environment())
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "The database is at the head of the migrations: second.\n",
        "",
    )
