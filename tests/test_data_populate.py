"""`demijohn db populate`: seed files into tables."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from demijohn.database.data.populate import populate
from demijohn.database.data.sources import sources
from demijohn.errors import DataError
from tests.trove import Trove

USERS = "name,age,bio,active,created\nanna,30,,yes,2024-05-06T07:08:09Z\nbéa ☕,,long,0,\n"
STARTED = datetime(2020, 1, 2, 3, 4, 5)


def refused(trove: Trove, path: str) -> str:
    """What is said of a file that cannot be taken."""
    with pytest.raises(DataError) as caught:
        populate(trove.site.db.engine, trove.site.db.metadata, sources(Path(path), None))
    return str(caught.value)


def test_csv(trove: Trove) -> None:
    assert trove.run("populate", trove.file("users.csv", USERS)) == (0, "users: 2 rows.\n", "")
    assert trove.rows("users") == [
        (1, "anna", 30, "", True, datetime(2024, 5, 6, 7, 8, 9)),
        (2, "béa ☕", None, "long", False, STARTED),
    ]


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_of_a_spreadsheet(mark: str, separator: str, sqlite_trove: Trove) -> None:
    rows = [["name", "bio"], ["anna", '"two\nlines, a comma"'], [], ["ben", '"say ""hi"""']]
    text = mark + "\r\n".join(separator.join(row) for row in rows)
    path = sqlite_trove.root / "people.csv"
    path.write_bytes(text.encode())
    assert sqlite_trove.run("populate", str(path), "--table", "users")[0] == 0
    assert sqlite_trove.rows("users", "name", "bio") == [("anna", "two\nlines, a comma"), ("ben", 'say "hi"')]


def test_every_type(trove: Trove) -> None:
    thing = {
        "code": "a",
        "text": "line\nline 🎈",
        "short": "",
        "whole": -(2**63),
        "exact": "12345678.1234",
        "real": 0.1,
        "single": 0.5,
        "flag": False,
        "day": "2024-02-29",
        "moment": "2024-02-29T23:59:59.123456",
        "zoned": "2024-02-29T23:59:59.5+02:00",
        "clock": "23:59:59.25",
        "span": "1 day, 2:03:04",
        "colour": "red",
        "key": "6f1c2d3e-0000-4000-8000-1234567890ab",
        "data": "AP8=",
        "tree": {"a": [1, None, "é"]},
        "sealed": "abc",
    }
    cells = {**thing, "code": "b", "tree": json.dumps(thing["tree"]), "short": ""}
    assert trove.run("populate", trove.file("things.json", [thing, {"code": "n", "tree": None}]))[0] == 0
    trove.file("t.jsonl", f"{json.dumps({**thing, 'code': 'c', 'colour': '#f00'})}\n\n")
    assert trove.run("populate", str(trove.root / "t.jsonl"), "--table", "things")[0] == 0
    quoted = ('"' + str(cell).replace('"', '""') + '"' for cell in cells.values())
    assert trove.run("populate", trove.file("things.csv", f"{','.join(cells)}\n{','.join(quoted)}\n"))[0] == 0
    zone = timezone.utc if "postgresql" in trove.site.db.url else None
    wanted = (
        "line\nline 🎈",
        -(2**63),
        Decimal("12345678.1234"),
        0.1,
        0.5,
        False,
        date(2024, 2, 29),
        datetime(2024, 2, 29, 23, 59, 59, 123456),
        datetime(2024, 2, 29, 21, 59, 59, 500000, zone),
        time(23, 59, 59, 250000),
        timedelta(days=1, hours=2, minutes=3, seconds=4),
        UUID("6f1c2d3e-0000-4000-8000-1234567890ab"),
        b"\x00\xff",
        {"a": [1, None, "é"]},
        "abc",
    )
    names = [name for name in thing if name not in ("code", "short", "colour")]
    rows = trove.rows("things", "code", "short", "colour", *names)
    assert [row[0] for row in rows] == ["a", "b", "c", "n"]
    assert [row[1] for row in rows] == ["", None, "", None], "an empty cell of CSV is NULL"
    assert [getattr(row[2], "name", None) for row in rows] == ["red", "red", "red", None]
    assert [row[3:] for row in rows] == [wanted, wanted, wanted, (None,) * len(wanted)]
    nulls = "SELECT COUNT(*) FROM things WHERE tree IS NULL"
    with trove.site.db.engine.connect() as connection:
        assert connection.exec_driver_sql(nulls).scalar() == 1, "NULL, not JSON's null"


def test_tables_in_one_file_whatever_their_order(trove: Trove) -> None:
    seed = {
        "posts": [{"user_id": 7, "title": "one"}, {"title": "two", "id": 5, "user_id": 7}],
        "users": [{"id": 7, "name": "anna", "bio": "x"}],
        "notes": [],
    }
    path = trove.file("seed.json", seed)
    assert trove.run("populate", path) == (0, "notes: 0 rows.\nusers: 1 row.\nposts: 2 rows.\n", "")
    assert trove.run("populate", path, "--table", "users")[2].startswith("Nothing was put into users")
    # The next rows get numbers behind those that were given.
    trove.put("users", {"name": "ben", "bio": ""})
    trove.put("posts", {"user_id": 8, "title": "three"})
    assert [row[0] for row in trove.rows("users", "id")] == [7, 8]
    assert trove.rows("posts", "title")[-1] == ("three",)


def test_folder_at_each_deploy(trove: Trove) -> None:
    status, out, err = trove.run("populate")
    assert (status, out) == (1, "")
    assert err.startswith(f"There are no seed files (.csv, .json, .jsonl) in {trove.root / 'data'}.")
    trove.file("data/users.csv", "id,name,bio\n1,anna,\n")
    trove.file("data/posts.json", [{"user_id": 1, "title": "one"}])
    trove.file("data/README.md", "What lies here.")
    assert trove.run("populate", "--if-empty") == (0, "users: 1 row.\nposts: 1 row.\n", "")
    again = "users: left alone, it holds rows.\nposts: left alone, it holds rows.\n"
    assert trove.run("populate", "--if-empty") == (0, again, "")
    trove.put("users", {"name": "ben", "bio": ""})
    assert trove.run("populate", "--replace") == (0, "users: 1 row.\nposts: 1 row.\n", "")
    assert trove.rows("users", "name") == [("anna",)]


def test_rows_that_point_at_later_rows_of_their_table(trove: Trove) -> None:
    staff = "id,name,manager_id\n1,anna,3\n2,ben,3\n3,carla,\n"
    assert trove.run("populate", trove.file("employees.csv", staff)) == (0, "employees: 3 rows.\n", "")
    assert trove.rows("employees", "manager_id") == [(3,), (3,), (None,)]
    wrong = "id,name,manager_id\n4,dan,3\n5,eve,99\n6,fay,98\n"
    status, out, err = trove.run("populate", trove.file("more.csv", wrong), "--table", "employees")
    assert (status, out) == (1, "")
    assert "more.csv:3 (row 2): manager_id is 99: no such employees.id\n" in err
    assert "more.csv:4 (row 3): manager_id is 98: no such employees.id\n" in err
    assert len(trove.rows("employees")) == 3
    trove.put("employees", {"name": "eve", "manager_id": 3})
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        trove.put("employees", {"name": "fay", "manager_id": 99})  # the database looks at it again


# What is wrong with the rows


def test_all_mistakes_at_once(sqlite_trove: Trove) -> None:
    rows = "name,age,active\nanna,abc,maybe\nben,1.5,no\n" + "x" * 51 + ",,no\n,3,no\n"
    status, out, err = sqlite_trove.run(
        "populate", sqlite_trove.file("users.csv", "bio," + rows.replace("\n", "\n,", 4))
    )
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "Nothing was put into users, for users.csv holds mistakes:",
        "  users.csv:2 (row 1): age must be a whole number, not 'abc'",
        "  users.csv:2 (row 1): active must be true or false, not 'maybe'",
        "  users.csv:3 (row 2): age must be a whole number, not '1.5'",
        "  users.csv:4 (row 3): name must have at most 50 characters, and has 51",
    ]


def test_no_more_mistakes_than_anybody_reads(sqlite_trove: Trove) -> None:
    said = refused(sqlite_trove, sqlite_trove.file("users.csv", "name,bio,age\n" + "a,,x\n" * 5000))
    assert said.startswith("Nothing was put into users, for users.csv holds mistakes (and perhaps more):\n")
    assert len(said.splitlines()) == 21


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"exact": "1e"}, "exact must be a decimal number, not '1e'"),
        ({"exact": "nan"}, "exact must be a decimal number, not 'nan'"),
        ({"real": "much"}, "real must be a number, not 'much'"),
        ({"whole": 2**70}, "whole must be a whole number that a database can keep, not 1180591620717411303424"),
        ({"flag": 2}, "flag must be true or false, not 2"),
        ({"day": "31.1.2025"}, "day must be a date such as 2025-01-31, not '31.1.2025'"),
        ({"moment": "soon"}, "moment must be a date and a time such as 2025-01-31 18:30:00, not 'soon'"),
        ({"clock": "25:00"}, "clock must be a time such as 18:30:00, not '25:00'"),
        ({"colour": "green"}, "colour must be one of red, blue, not 'green'"),
        ({"key": "1"}, "key must be a UUID such as 6f1c2d3e-0000-4000-8000-1234567890ab, not '1'"),
        ({"data": "é"}, "data must be base64, not 'é'"),
        ({"text": 5}, "text must be text, not 5"),
        ({"code": None}, "code must have a value"),
    ],
)
def test_wrong_value(values: dict[str, object], words: str, sqlite_trove: Trove) -> None:
    said = refused(sqlite_trove, sqlite_trove.file("things.json", [{"code": "a", **values}]))
    assert said.splitlines()[1:] == [f"  things.json:1 (row 1): {words}"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("users.csv", "nmae,bio\na,b\n", "users.csv:1: the table users has no column 'nmae'. Is it name?"),
        ("users.csv", "name\na\n", "users.csv:1: each row of users needs a value for bio."),
        ("users.csv", "name,bio\na,b,c\n", "users.csv:2 (row 1): 3 cells, where the first line names 2 columns."),
        ("users.csv", "name,name\na,b\n", "users.csv:1: the column name is there twice."),
        ("users.csv", 'name,bio\na,"b"c\n', "users.csv:2 (row 1): ',' expected after '\"'."),
        ("users.csv", "", "users.csv is empty. Its first line must name the columns."),
        ("user.csv", "name\na\n", "user.csv: There is no table 'user' among the models. Is it users?"),
        ("users.txt", "", "is no seed file: its name must end with .csv, .json, .jsonl."),
        ("users.json", '[{"name": "a", "bio": ""}, {"bio": ""}]', "(row 2): each row of users needs a value for name."),
        ("users.json", '[{"name": "a", "bio": ""}', "users.json:1: not JSON as it should be: expected ], not ''."),
        ("users.json", '[\n{"name": "a", "bio": ""},\n{"name" "b"}]', "Expecting ':' delimiter in line 3."),
        ("users.json", '["a"]', "users.json:1 (row 1): a row must be an object, not str."),
        ("users.json", "", "users.json is empty. It should be a list of rows, or {table: [rows]}."),
        ("users.json", "[] []", "users.json:1: not JSON as it should be: something stands behind its end."),
        ("users.json", "5", "users.json:1: not JSON as it should be: expected [, not '5'."),
        ("seed.json", '{"users": 5}', "seed.json cannot be read: expected [, not '5}'."),
        ("users.jsonl", '{"name": "a", "bio": ""}\n{"name"\n', "users.jsonl:2 (row 2): not JSON: "),
        ("users.csv", b"name,bio\n\xff,b\n", "users.csv is not UTF-8: invalid start byte. Save it in UTF-8."),
        ("users.json", b'[{"name": "\xff"}]', "users.json is not UTF-8: invalid start byte. Save it in UTF-8."),
    ],
)
def test_wrong_file(name: str, content: str | bytes, words: str, sqlite_trove: Trove) -> None:
    path = sqlite_trove.root / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(sqlite_trove, str(path))


def test_wrong_use(sqlite_trove: Trove) -> None:
    assert sqlite_trove.run("populate", "nowhere.csv") == (1, "", "There is no file nowhere.csv.\n")
    assert sqlite_trove.run("populate", ".") == (1, "", ". is a folder. Name the files in it.\n")
    seed = sqlite_trove.file("seed.json", {"users": []})
    err = "seed.json has no rows for the table posts. It has: users.\n"
    assert sqlite_trove.run("populate", seed, "--table", "posts") == (1, "", err)
    assert sqlite_trove.run("populate", seed, "--replace", "--if-empty")[0] == 2
    with sqlite_trove.site.db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE posts")
    status, _, err = sqlite_trove.run("populate", sqlite_trove.file("posts.csv", "user_id,title\n1,a\n"))
    assert status == 1
    assert err.startswith("There is no table posts in the database yet. Make it: demijohn db upgrade, or")
