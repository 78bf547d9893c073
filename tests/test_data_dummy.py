"""`demijohn db dummy`: made-up rows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.sites import clean_environment
from tests.trove import Trove

DOOR = """
import os
from typing import Optional
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from demijohn import Site

application = site = Site(os.path.dirname(os.path.abspath(__file__)))
Model = site.db.Model


class Member(Model):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(30), unique=True)
    age: Mapped[int]
    code: Mapped[str] = mapped_column(sa.String(3), unique=True)


class Like(Model):
    __tablename__ = "likes"
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id"), primary_key=True)
    other_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id"), primary_key=True)
"""


def test_all_tables(trove: Trove) -> None:
    status, out, err = trove.run("dummy", "600", "--seed", "7")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{name}: 600 rows more." for name in ("employees", "notes", "things", "users", "posts")
    ]
    assert all(len(row[0]) <= 50 and 18 <= (row[1] or 18) <= 90 for row in trove.rows("users", "name", "age"))
    users = {row[0] for row in trove.rows("users", "id")}
    assert len({row[0] for row in trove.rows("posts", "user_id")} & users) > 300
    things = trove.rows("things")
    assert all(any(row[place] is not None for row in things) for place in range(17)), "a value of each kind"
    assert any(row[0] is not None for row in trove.rows("employees", "manager_id")), "some have a manager"
    assert trove.run("dummy", "10", "--table", "users")[1] == "users: 10 rows more.\n"
    assert len(trove.rows("users")) == 610
    trove.put("users", {"name": "anna", "bio": ""})


def test_same_seed_same_rows(sqlite_trove: Trove) -> None:
    def made(seed: str) -> list[object]:
        for name in ("posts", "employees", "users", "things", "notes"):
            with sqlite_trove.site.db.unit() as db:
                db.execute(sqlite_trove.table(name).delete())
        assert sqlite_trove.run("dummy", "50", "--seed", seed)[0] == 0
        return [row[1:] for name in ("users", "things", "notes") for row in sqlite_trove.rows(name)]

    first = made("1")
    assert made("1") == first
    assert made("2") != first


def test_unique_and_short(tmp_path: Path, database_url: str) -> None:
    trove = Trove(tmp_path / "site", database_url, DOOR)
    assert trove.run("dummy", "200", "--seed", "1")[::2] == (0, "")
    rows = trove.rows("members")
    assert all("@example" in row[1] for row in rows if len(row[1]) < 30)
    assert len({row[3].lower() for row in rows}) == 200
    assert len(set(trove.rows("likes"))) == 200
    assert trove.run("dummy", "200", "--seed", "1")[0] == 0, "again, beside those that are there"
    trove.close()


def test_what_cannot_be_made_up(sqlite_trove: Trove, tmp_path: Path) -> None:
    status, out, err = sqlite_trove.run("dummy", "5", "--table", "posts")
    assert (status, out) == (1, "")
    assert err == (
        "posts.user_id must point at a row of users, and there is none. Fill that first: "
        "demijohn db dummy 10 --table users\n"
    )
    assert "Is it users?" in sqlite_trove.run("dummy", "5", "--table", "user")[2]
    assert sqlite_trove.run("dummy", "5", "--locale", "xx")[2].startswith("Faker knows no locale 'xx'.")
    assert sqlite_trove.run("dummy", "0")[0] == sqlite_trove.run("dummy", "some")[0] == 2
    door = DOOR.replace("sa.String(3)", "sa.Enum('a', 'b')")
    trove = Trove(tmp_path / "small", f"sqlite:///{tmp_path / 'small.sqlite'}", door)
    assert "No more rows can be made up for members, whose (code) and (email) must differ" in trove.run("dummy", "9")[2]
    assert trove.rows("members") == []
    trove.close()


def test_without_faker(sqlite_trove: Trove, tmp_path: Path) -> None:
    (tmp_path / "faker.py").write_text("raise ModuleNotFoundError('No module named faker')")
    done = subprocess.run(
        sqlite_trove.command("dummy", "5"),
        env=clean_environment(PYTHONPATH=os.fspath(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Install it: pip install 'demijohn[dummy]'\n")


@pytest.mark.parametrize("words", [["dummy", "1"], ["dump", "-"], ["load", "-"], ["shell", "x"], ["populate", "x.csv"]])
def test_site_without_a_database(words: list[str], tmp_path: Path) -> None:
    trove = Trove(tmp_path / "site", "")
    assert trove.run(*words)[2].startswith("This site has no database: database.url is empty.")
