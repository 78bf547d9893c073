"""What `demijohn db load` refuses, and that it then leaves the tables as they were."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demijohn.database.data.dump import Dump, choose
from demijohn.database.data.load import Load
from demijohn.errors import DataError
from tests.trove import Trove


@pytest.fixture
def dump(sqlite_trove: Trove) -> list[str]:
    """The lines of a dump; the tables are as they were when it was made."""
    sqlite_trove.put("users", {"id": 1, "name": "anna", "bio": ""}, {"id": 2, "name": "ben", "bio": "x"})
    sqlite_trove.put("posts", {"user_id": 2, "title": "one"})
    return dumped(sqlite_trove)


def dumped(trove: Trove, *names: str) -> list[str]:
    pieces: list[str] = []
    Dump(trove.site.db.engine, choose(trove.site.db.metadata, names or None), pieces.append).run()
    return "".join(pieces).splitlines(keepends=True)


def load(trove: Trove, lines: list[str], **options: Any) -> dict[str, int]:
    return Load(trove.site.db.engine, trove.site.db.metadata, iter(lines), **options).run()


def refused(trove: Trove, lines: list[str]) -> str:
    """What is said of a dump that is not loaded. The tables are as they were."""
    before = [trove.rows(name) for name in ("users", "posts")]
    with pytest.raises(DataError) as caught:
        load(trove, lines, replace=True)
    assert [trove.rows(name) for name in ("users", "posts")] == before
    return str(caught.value)


def test_cut_off_anywhere(sqlite_trove: Trove, dump: list[str]) -> None:
    for end in range(1, len(dump)):
        assert f"The dump is not whole: it ends after line {end}." in refused(sqlite_trove, dump[:end])
    assert "is not JSON. It has been cut off there." in refused(sqlite_trove, [*dump[:-1], dump[-1][:-5]])
    assert load(sqlite_trove, dump, replace=True)["users"] == 2


def test_packed_and_cut_off(sqlite_trove: Trove) -> None:
    sqlite_trove.put("notes", *({"number": n, "other": n * 7919 % 10007, "text": f"{n * n}"} for n in range(3000)))
    path = sqlite_trove.root / "all.gz"
    path.write_bytes(gzip.compress("".join(dumped(sqlite_trove)).encode())[:-2000])
    status, out, err = sqlite_trove.run("load", str(path), "--replace")
    assert (status, out) == (1, "")
    assert err.startswith("The dump cannot be read behind line ")
    assert len(sqlite_trove.rows("notes")) == 3000


Change = Callable[[list[Any]], Any]


def _row_less(lines: list[Any]) -> None:
    lines.remove([2, "ben", None, "x", True, "2020-01-02T03:04:05"])


CHANGES: dict[str, tuple[Change, str]] = {
    "another program's": (lambda lines: lines[0].pop("demijohn"), "This is no dump: `demijohn db dump` has not made"),
    "later version": (lambda lines: lines[0].update(version=2), "The dump is of version 2, and this Demijohn reads"),
    "unknown table": (lambda lines: lines[0]["tables"].append("user"), "There is no table 'user' among the models. Is"),
    "a row is gone": (_row_less, "The dump is not whole: it has 1 rows of users, and says that there are 2."),
    "trailer": (lambda lines: lines[-1]["rows"].update(users=7), "its last line does not say what it holds."),
    "more behind": (lambda lines: lines.append({}), "Something stands behind the end of the dump."),
    "no number": (lambda lines: lines[9].__setitem__(0, "x"), "line 10: id must be integer, not 'x'"),
    "double": (lambda lines: lines[9].__setitem__(1, "anna"), "line 10: UNIQUE constraint failed: users.name"),
    "orphan": (lambda lines: lines[12].__setitem__(1, 7), "posts: user_id points at 7, but users has no row"),
    "short row": (lambda lines: lines[9].pop(), "Line 10 of the dump is no row of users."),
    "column": (lambda lines: lines[7]["columns"].update(size="text"), "the dump's column size is not in the model"),
    "no column": (lambda lines: lines[7]["columns"].pop("bio"), "the model's column bio is not in the dump"),
    "kind": (lambda lines: lines[7]["columns"].update(age="text"), "age is text in the dump and integer in the model"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_dump(change: str, sqlite_trove: Trove, dump: list[str]) -> None:
    lines: list[Any] = [json.loads(line) for line in dump]
    assert lines[7]["table"] == "users"
    act, words = CHANGES[change]
    act(lines)
    assert words in refused(sqlite_trove, [f"{json.dumps(line)}\n" for line in lines])


def test_no_dump_at_all(sqlite_trove: Trove) -> None:
    for text in ("", "name,bio\n", "[]\n"):
        status, out, err = sqlite_trove.run("load", "-", given=text)
        assert (status, out) == (1, "")
        assert err.startswith("This is no dump: `demijohn db dump` has not made it.")
    err = "nowhere.dump cannot be read: No such file or directory.\n"
    assert sqlite_trove.run("load", "nowhere.dump") == (1, "", err)


def test_tables_that_hold_rows(sqlite_trove: Trove, dump: list[str]) -> None:
    with pytest.raises(DataError, match=r"^users, posts hold rows. A dump is loaded into empty tables; --replace"):
        load(sqlite_trove, dump)
    only = dumped(sqlite_trove, "posts")
    assert load(sqlite_trove, only, replace=True) == {"posts": 1}


def test_rows_that_point_at_nothing(trove: Trove) -> None:
    """Foreign keys that were waited with are judged all the same."""
    trove.put("employees", {"id": 1, "name": "anna"})
    lines = dumped(trove, "employees")
    lines[2] = '[1,"anna",1]\n'
    assert load(trove, lines, replace=True) == {"employees": 1}
    lines[2] = '[1,"anna",99]\n'
    with pytest.raises(DataError, match="employees: manager_id points at 99, but employees has no row with this id"):
        load(trove, lines, replace=True)
    assert trove.rows("employees") == [(1, "anna", 1)]


def test_schema_of_another_revision(trove: Trove, tmp_path: Path) -> None:
    trove.put("users", {"id": 1, "name": "anna", "bio": ""})
    unknown = dumped(trove, "users")
    with trove.site.db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('a1')")
    here = dumped(trove, "users")
    assert json.loads(here[0])["revision"] == ["a1"]
    assert load(trove, here, replace=True) == load(trove, unknown, replace=True) == {"users": 1}
    with pytest.raises(DataError, match=r"^The dump is of the schema's revision b2, and this database is at a1."):
        load(trove, [here[0].replace("a1", "b2"), *here[1:]], replace=True)


NUMBERED = """
import os
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from demijohn import Site

application = site = Site(os.path.dirname(os.path.abspath(__file__)))


class Bill(site.db.Model):
    __tablename__ = "bills"
    id: Mapped[int] = mapped_column(sa.Identity(always=True), primary_key=True)
    sum: Mapped[int]
"""


def test_numbers_that_the_database_insists_on_giving(tmp_path: Path, database_url: str) -> None:
    trove = Trove(tmp_path / "site", database_url, NUMBERED)
    assert trove.run("populate", trove.file("bills.csv", "id,sum\n7,1\n5,2\n")) == (0, "bills: 2 rows.\n", "")
    assert load(trove, dumped(trove), replace=True) == {"bills": 2}
    trove.put("bills", {"sum": 3})
    assert trove.rows("bills") == [(5, 2), (7, 1), (8, 3)]
    assert trove.run("populate", trove.file("bills.json", [{"sum": 4}]))[0] == 0
    assert trove.rows("bills")[-1] == (9, 4)
    trove.close()
