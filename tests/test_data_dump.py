"""`demijohn db dump` and `demijohn db load`: rows from one kind of database to another."""

from __future__ import annotations

import enum
import json
import os
import stat
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.sites import clean_environment
from tests.trove import Trove

Opener = Callable[[str], Trove]
KINDS = ["sqlite", "mariadb", "postgresql"]


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Makes a site on a fresh database of the kind it is told."""
    made: list[Trove] = []

    def trove(kind: str) -> Trove:
        made.append(Trove(tmp_path / f"site-{len(made)}", request.getfixturevalue(f"{kind}_url")))
        return made[-1]

    yield trove
    for each in made:
        each.close()


def fill(trove: Trove) -> None:
    """Rows of every kind, with what is hard to carry."""
    postgresql = trove.site.db.engine.dialect.name == "postgresql"
    colours = trove.table("things").c.colour.type.enum_class  # type: ignore[attr-defined]
    full = {
        "text": "🎈 é \u2028 \x85 \\ ' \" % \r\n\t",
        "short": "",
        "whole": 2**63 - 1,
        "exact": Decimal("-12345678.0001"),
        "real": 0.1 + 0.2,
        "single": 0.1,
        "flag": True,
        "day": date(1582, 1, 1),
        "moment": datetime(2024, 2, 29, 23, 59, 59, 999_999),
        "zoned": datetime(2024, 7, 1, 12, 0, 0, 1, timezone.utc if postgresql else None),
        "clock": time(23, 59, 59, 1),
        "span": timedelta(days=400, seconds=5),
        "colour": colours.blue,
        "key": uuid.UUID(int=7),
        "data": bytes(range(256)),
        "tree": {"a": [1.5, None, "🎈", 2**60, {}], "b": ""},
        "sealed": "secret",
    }
    odd = dict.fromkeys(full)
    things = [
        {"code": "a", **full},
        {
            "code": "b",
            **odd,
            "real": -0.0,
            "data": b"",
            "tree": None,
            "whole": -(2**63),
            "flag": False,
            "single": 1e-30,
        },
        {"code": "c", **odd, "tree": sqlalchemy.null(), "text": "", "exact": Decimal("0.0000"), "real": 5e-324},
        {"code": "d", **odd, "tree": "text", "sealed": "", "real": 1.7976931348623157e308},
    ]
    trove.put("things", *things)
    trove.put(
        "users", {"id": 5, "name": "anna", "bio": "", "age": None}, {"id": 9, "name": "ben", "bio": "x", "age": 1}
    )
    trove.put("posts", *({"user_id": 5 + 4 * (n % 2), "title": f"post {n}"} for n in range(5000)))
    trove.put("employees", {"id": 3, "name": "boss", "manager_id": None}, {"id": 1, "name": "anna", "manager_id": 3})


def plain(trove: Trove) -> dict[str, list[tuple[Any, ...]]]:
    """All rows, as far as databases can agree."""
    names = ("things", "users", "posts", "employees", "notes")
    return {name: [tuple(comparable(value) for value in row) for row in trove.rows(name)] for name in names}


def comparable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)  # PostgreSQL alone knows zones
    return value.name if isinstance(value, enum.Enum) else value  # each site has classes of its own


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in KINDS for b in KINDS if a != b])
def test_from_one_database_to_another(source: str, target: str, opened: Opener) -> None:
    here, there = opened(source), opened(target)
    fill(here)
    before = plain(here)
    dump = os.fspath(here.root / "all.dump.gz")
    assert here.run("dump", dump)[1] == f"Dumped 5,008 rows of 5 tables into {dump}.\n"
    status, out, err = there.run("load", dump)
    assert (status, err) == (0, "")
    assert out == "employees: 2 rows.\nnotes: 0 rows.\nthings: 4 rows.\nusers: 2 rows.\nposts: 5,000 rows.\n"
    assert plain(there) == before
    assert [row[0] is None for row in there.rows("things", "tree")] == [False, True, True, False]
    nulls = "SELECT code FROM things WHERE tree IS NULL"
    with there.site.db.engine.connect() as connection:
        assert connection.exec_driver_sql(nulls).scalars().all() == ["c"], "JSON's null is not NULL"
    # And what comes next goes on behind it.
    there.put("posts", {"user_id": 9, "title": "next"})
    there.put("users", {"name": "carla", "bio": ""})
    assert there.rows("users", "id")[-1] == (10,)
    # And the same again in place of what is there.
    assert there.run("load", "--replace", dump)[0] == 0
    assert plain(there) == before


def test_text_with_a_nul(opened: Opener) -> None:
    """PostgreSQL keeps none; the others do, and give it back."""
    here, there, other = opened("sqlite"), opened("mariadb"), opened("postgresql")
    here.put("users", {"name": "ok", "bio": ""}, {"name": "a\0b", "bio": ""})
    dump = here.run("dump", "-")[1]
    assert there.run("load", "-", given=dump)[0] == 0
    assert there.rows("users", "name") == [("ok",), ("a\0b",)]
    status, out, err = other.run("load", "-", given=dump)
    assert (status, out) == (1, "")
    assert err.startswith("Nothing was loaded, for users does not take all rows of the dump:\n  line 10: ")
    assert "NUL" in err
    assert other.rows("users") == []


def test_what_is_in_a_dump(sqlite_trove: Trove) -> None:
    with sqlite_trove.site.db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE legacy (a INTEGER)")
    sqlite_trove.put("users", {"name": "anna", "bio": ""})
    status, out, err = sqlite_trove.run("dump")
    assert status == 0
    first, *rest = map(json.loads, out.splitlines())
    assert {**first, "made": ""} == {
        "demijohn": "dump",
        "version": 1,
        "made": "",
        "database": "sqlite",
        "revision": [],
        "tables": ["employees", "notes", "things", "users", "posts"],
    }
    assert [1, "anna", None, "", True, "2020-01-02T03:04:05"] in rest
    assert rest[-1]["end"] == "dump"
    assert "Left out: demijohn_sessions, which Demijohn keeps for itself (--tables names it).\n" in err
    assert "Left out: legacy, which no model describes.\n" in err
    assert err.endswith("Dumped 1 row of 5 tables.\n")
    out = sqlite_trove.run("dump", "-", "--tables", "demijohn_sessions", "users")[1]
    assert json.loads(out.splitlines()[0])["tables"] == ["demijohn_sessions", "users"]
    assert sqlite_trove.run("dump", "-", "--tables", "user")[2].endswith("Is it users?\n")


def test_the_file(sqlite_trove: Trove) -> None:
    path = sqlite_trove.root / "backup.dump"
    path.write_text("the one of yesterday")
    assert sqlite_trove.run("dump", str(path))[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "nobody else's business"
    whole = path.read_text()
    with sqlite_trove.site.db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE posts")
    status, _, err = sqlite_trove.run("dump", str(path))
    assert (status, err.split(".")[0]) == (1, "There is no table posts in the database yet")
    assert path.read_text() == whole, "a dump that fails leaves the one before"
    assert not list(sqlite_trove.root.glob("*.part"))
    err = sqlite_trove.run("dump", "nowhere/a.dump")[2]
    assert err == "nowhere/a.dump.part cannot be written: No such file or directory.\n"


@pytest.mark.parametrize("name", ["/dev/full", "-"])
def test_full_disk(name: str, sqlite_trove: Trove) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            sqlite_trove.command("dump", name),
            env=clean_environment(),
            stdout=full if name == "-" else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    said = f"{'The dump' if name == '-' else name} cannot be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_reader_that_goes_away(sqlite_trove: Trove) -> None:
    sqlite_trove.put("notes", *({"number": n, "other": n, "text": "x" * 200} for n in range(5000)))
    command = sqlite_trove.command("dump", "-")
    with subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "Whoever was to read the dump has gone before its end.\n"
    assert process.returncode == 1


@pytest.mark.parametrize("kind", ["mariadb", "postgresql", "sqlite"])
def test_one_moment(kind: str, opened: Opener) -> None:
    """What is written while the dump goes on is not in it."""
    trove = opened(kind)
    trove.put("employees", *({"name": "x" * 50} for _ in range(5000)))
    from demijohn.database.data.dump import Dump, choose

    lines: list[str] = []

    def write(text: str) -> None:
        if text.startswith('{"table":"employees"'):
            trove.put("users", {"name": f"late {len(lines)}", "bio": ""})
        lines.append(text)

    tables = choose(trove.site.db.metadata, None)
    counts = Dump(trove.site.db.engine, tables, write).run()
    assert counts["employees"] == 5000
    assert counts["users"] == 0
    assert len(trove.rows("users")) == 1
