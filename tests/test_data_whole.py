"""Populate and load put in all or nothing, name the row, and stay small."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demijohn.database.data.populate import populate
from demijohn.database.data.sources import sources
from demijohn.database.data.transaction import writing
from demijohn.doors import load_site
from demijohn.errors import DataError
from tests.services import PATIENCE, until
from tests.sites import clean_environment
from tests.trove import Trove

#: Kilobytes. A million rows may take 100 MB.
ALLOWED = 100_000
#: Kilobytes that a file of 200,000 rows may take beyond one of 4,000. The files have 6 and 13 MB.
MORE = 4_000
#: Of the file in whose middle a process is killed: 3 MB and more.
ROWS = 100_000


def notes(path: Path, rows: int, *, wrong: int | None = None, number: int = 2**30) -> Path:
    """A seed file with so many notes, of which one may have a number that the table's rule refuses."""
    with path.open("w") as file:
        as_json = path.suffix == ".json"
        file.write("[" if as_json else "id,number,other,text\n")
        for id in range(1, rows + 1):
            value = number if id == wrong else id
            text = f'name, "of" é {id}'
            if as_json:
                row = {"id": id, "number": value, "other": id * 7, "text": text}
                file.write(("," if id > 1 else "") + json.dumps(row) + "\n")
            else:
                quoted = text.replace('"', '""')
                file.write(f'{id},{value},{id * 7},"{quoted}"\n')
        file.write("]" if as_json else "")
    return path


#: Runs a command, and says how much memory it has held at most. What it begins as is a copy of who starts it: of this
#: small process, and not of the tests' large one.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(command: list[str]) -> int:
    """The most memory that a process which ends well has held, in kilobytes."""
    run = [sys.executable, "-S", "-c", PEAK, *command]
    return int(subprocess.run(run, env=clean_environment(), stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_memory_does_not_grow_with_the_file(kind: str, sqlite_trove: Trove) -> None:
    path = notes(sqlite_trove.root / f"notes.{kind}", 200_000)
    few = notes(sqlite_trove.root / f"few.{kind}", 4_000)
    least = peak(sqlite_trove.command("populate", str(few), "--table", "notes"))
    held = peak(sqlite_trove.command("populate", str(path), "--replace"))
    assert 10_000 < held < ALLOWED
    assert held < least + MORE
    assert sqlite_trove.rows("notes")[-1] == (200_000, 200_000, 1_400_000, 'name, "of" é 200000')


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_bad_row_in_the_middle(kind: str, trove: Trove) -> None:
    trove.put("notes", {"id": 99_999, "number": 1, "other": 2, "text": "was there"})
    before = trove.rows("notes")
    path = notes(trove.root / f"notes.{kind}", 9_000, wrong=4_567)
    status, out, err = trove.run("populate", str(path))
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 2, err
    headline, complaint = err.splitlines()
    assert headline == f"Nothing was put into notes, for notes.{kind} holds mistakes:"
    line = 4_568 if kind == "csv" else 4_567
    assert re.match(rf"  notes.{kind}:{line} \(row 4567\): .*small", complaint), complaint
    assert trove.rows("notes") == before
    trove.put("notes", {"number": 1, "other": 2, "text": "goes on"})


def test_rows_that_the_database_refuses(trove: Trove) -> None:
    rows = [{"name": f"n{number}", "bio": ""} for number in range(1, 3001)]
    rows[700]["name"] = rows[2500]["name"] = "n3"
    said = refused(trove, trove.file("users.json", rows))
    assert [re.sub(r".*\((row \d+)\): .*", r"\1", line) for line in said.splitlines()[1:]] == ["row 701", "row 2501"]
    assert re.search(r"(?i)duplicate|unique", said)
    trove.put("users", {"id": 1, "name": "anna", "bio": ""})
    posts = [{"user_id": 1, "title": "a"}, {"user_id": 17, "title": "b"}, {"user_id": 1, "title": "c"}]
    said = refused(trove, trove.file("posts.json", posts))
    assert re.search(r"posts.json:1 \(row 2\): .*(?i:foreign key)", said)
    assert len(said.splitlines()) == 2
    assert trove.rows("posts") == []
    assert len(trove.rows("users")) == 1


def refused(trove: Trove, path: str) -> str:
    with pytest.raises(DataError) as caught:
        populate(trove.site.db.engine, trove.site.db.metadata, sources(Path(path), None))
    return str(caught.value)


def test_a_mistake_in_a_later_file_takes_the_others_back(sqlite_trove: Trove) -> None:
    sqlite_trove.file("data/users.csv", "id,name,bio\n1,anna,\n")
    sqlite_trove.file("data/posts.csv", "user_id,title\n1,a\n2,b\n")
    assert sqlite_trove.run("populate")[0] == 1
    assert sqlite_trove.rows("users") == sqlite_trove.rows("posts") == []


@pytest.mark.parametrize("action", ["populate", "load"])
def test_killed_in_the_middle(action: str, trove: Trove, tmp_path: Path) -> None:
    trove.put("notes", {"number": 1, "other": 2, "text": "was there"})
    before = trove.rows("notes")
    if action == "populate":
        path = notes(trove.root / "notes.csv", ROWS)
        words = ["populate", str(path), "--replace"]
    else:
        path = trove.root / "notes.dump"
        with path.open("w") as file:
            file.write('{"demijohn":"dump","version":1,"tables":["notes"],"revision":[]}\n')
            columns = {"id": "integer", "number": "integer", "other": "integer", "text": "text"}
            file.write(json.dumps({"table": "notes", "columns": columns}) + "\n")
            file.writelines(f'[{id},{id},{id},"text {id}"]\n' for id in range(1, ROWS + 1))
            file.write(f'{{"end":"notes","rows":{ROWS}}}\n{{"end":"dump","rows":{{"notes":{ROWS}}}}}\n')
        words = ["load", str(path), "--replace"]
    command = ["nice", "-n19", *trove.command(*words)]  # or, on a loaded machine, it is done before anybody has looked
    with subprocess.Popen(command, env=clean_environment()) as process:
        until(lambda: process.poll() is not None or is_at(process.pid, path, 500_000), "It does not read its file.")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was not done yet"
    trove.site.db.close()
    assert trove.rows("notes") == before
    trove.put("notes", {"number": 1, "other": 2, "text": "goes on"})  # nothing is locked any more


def is_at(process: int, path: Path, offset: int) -> bool:
    """Whether this process has read so far in a file."""
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        try:
            if descriptor.resolve() == path:
                told = Path(f"/proc/{process}/fdinfo/{descriptor.name}").read_text()
                return int(told.split()[1]) >= offset
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def test_two_at_the_same_moment(trove: Trove) -> None:
    """As at a deploy on two instances: one fills the table, the other waits and leaves it alone."""
    path = notes(trove.root / "notes.csv", 3_000)
    command = trove.command("populate", str(path), "--if-empty")
    both = [subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = sorted(process.communicate(timeout=PATIENCE)[0] for process in both)
    assert told == ["notes: 3,000 rows.\n", "notes: left alone, it holds rows.\n"]
    assert len(trove.rows("notes")) == 3_000


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("mariadb", "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT GET_LOCK%%'"),
        ("postgresql", "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
    ],
)
def test_one_waits_for_the_other(kind: str, asked: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    trove = Trove(tmp_path / "site", request.getfixturevalue(f"{kind}_url"))
    command = trove.command("populate", str(notes(trove.root / "notes.csv", 3)), "--if-empty")
    engine = trove.site.db.engine
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) as process:
        with writing(engine) as first, engine.connect() as looker:
            first.execute(trove.table("notes").insert(), {"number": 1, "other": 2, "text": "first"})
            until(lambda: looker.exec_driver_sql(asked).scalar(), "It does not wait.")
        assert process.communicate(timeout=PATIENCE)[0] == "notes: left alone, it holds rows.\n"
    assert len(trove.rows("notes")) == 1
    trove.close()


def test_row_of_the_wrong_size_for_the_server(sqlite_trove: Trove) -> None:
    again = load_site(sqlite_trove.root)
    said: Callable[[], str] = lambda: refused(sqlite_trove, sqlite_trove.file("notes.json", [{"id": 2**63, **REST}]))  # noqa: E731
    assert "notes.json:1 (row 1): Python int too large to convert to SQLite INTEGER" in said()
    again.db.close()


REST = {"number": 1, "other": 2, "text": "x"}
