"""A rehearsal: sites in which something is planted, played as hosts would start them."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.errors import DemijohnError
from demijohn.findings import Finding
from demijohn.hosts import Limits
from demijohn.rehearsal import rehearse, rehearse_all
from demijohn.rehearsal.codes import CODES
from tests.sites import OURS, ROOT

HEROKU, GAE, SAE, PYTHONANYWHERE, LOCAL = map(hosts.find, ("heroku", "gae", "sae", "pythonanywhere", "local"))
HEAD = """
import os, sys, time
from demijohn import Site, HTTPError
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
site = Site(ROOT)
"""
PLANTED = (
    HEAD
    + """
import logging, multiprocessing, shelve, shutil, socket, sqlite3, subprocess, tempfile, threading
HERE = os.path.join(ROOT, "uploads")
os.makedirs(HERE, exist_ok=True)  # folder
OUTSIDE = open(os.path.join(ROOT, "outside.txt")).read()

@site.get("/write")
def write():
    open(os.path.join(HERE, "a.png"), "wb").close()  # write

@site.get("/again/<number:int>")
def again(number):
    for name in range(50):
        open(os.path.join(HERE, str(name)), "wb").close()  # again

@site.get("/log")
def log():
    logging.getLogger("own").addHandler(logging.FileHandler(os.path.join(ROOT, "own.log")))  # log

@site.get("/temp")
def temp():
    os.rmdir(tempfile.mkdtemp())  # temp

@site.get("/shelf")
def shelf():
    shelve.open(os.path.join(ROOT, "shelf")).close()  # shelf

@site.get("/lite")
def lite():
    sqlite3.connect(os.path.join(ROOT, "own.db")).close()  # lite

@site.get("/rename")
def rename():
    os.rename(os.path.join(ROOT, "old.txt"), os.path.join(ROOT, "older.txt"))  # rename

@site.post("/empty")
def empty():
    shutil.rmtree(os.path.join(ROOT, "views"))  # rmtree

@site.get("/pipe")
def pipe():
    os.mkfifo(os.path.join(ROOT, "pipe"))  # pipe

@site.get("/touch")
def touch():
    os.utime(os.path.join(ROOT, "index.wsgi"))  # touch

@site.get("/mode")
def mode():
    os.chmod(os.path.join(ROOT, "index.wsgi"), 0o600)  # mode

@site.get("/out")
def out():
    open(OUTSIDE, "w").close()  # outside

@site.get("/relative")
def relative():
    return open("data.txt").read()  # relative

@site.get("/listen")
def listen():
    socket.create_server(("127.0.0.1", 8099)).close()  # listen

@site.get("/thread")
def thread():
    threading.Thread(target=str).start()  # thread

@site.get("/process")
def process():
    return subprocess.check_output(["true"])  # process

@site.get("/fork")
def fork():
    multiprocessing.get_context("spawn").Process(target=str).start()  # spawn

@site.get("/net")
def net():
    socket.create_connection(("127.0.0.1", 9)).close()  # net

@site.get("/null")
def null():
    open(os.devnull, "w").close()  # null

@site.get("/memory")
def memory():
    sqlite3.connect(":memory:").close()  # memory
"""
)


def plant(folder: Path, source: str, config: str = "", files: Mapping[str, str] | None = None) -> Path:
    """A site whose app/__init__.py is `source`."""
    root = folder / "planted"
    (root / "app").mkdir(parents=True)
    (root / "views").mkdir()
    (root / "app" / "__init__.py").write_text(source)
    (root / "config.yaml").write_text(f"name: planted\nversion: 1\n{config}")
    for name in ("index.wsgi", "main.py"):
        shutil.copy(ROOT / name, root)
    for name, text in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def line_of(mark: str, source: str = PLANTED) -> int:
    return next(number for number, line in enumerate(source.splitlines(), 1) if line.endswith(f"# {mark}"))


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("rehearsal")
    # Neither within the site nor in a folder for temporary files, and of this run alone.
    home = Path(os.path.expanduser("~")) / f".outside-of-a-rehearsal-{uuid.uuid4()}"
    yield plant(folder, PLANTED, files={"data.txt": "data", "old.txt": "old", "outside.txt": str(home)})
    home.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def found(planted: Path) -> dict[str, dict[int, Finding]]:
    """What is found on each host, by lines."""
    played = rehearse_all(planted, [HEROKU, GAE, SAE, PYTHONANYWHERE], patience=30)
    for findings in played.values():
        assert {finding.path for finding in findings} <= {"app/__init__.py"}, findings
    return {name: {finding.line: finding for finding in findings} for name, findings in played.items()}


WRITES = ["folder", "write", "again", "log", "shelf", "lite", "rename", "rmtree", "pipe", "touch", "mode", "outside"]


@pytest.mark.parametrize("mark", WRITES)
def test_each_way_to_write_is_told_where_the_disk_does_not_keep(
    mark: str, found: dict[str, dict[int, Finding]]
) -> None:
    line = line_of(mark)
    assert (found["heroku"][line].code, found["heroku"][line].level) == ("R404", "warning")
    assert "Heroku forgets it" in found["heroku"][line].message
    for host in ("gae", "sae"):
        assert (found[host][line].code, found[host][line].level) == ("R403", "error")
    assert line not in found["pythonanywhere"]


def test_temporary_files_are_told_where_there_are_none(found: dict[str, dict[int, Finding]]) -> None:
    assert [name for name in found if line_of("temp") in found[name]] == ["sae"]
    assert found["sae"][line_of("temp")].message.startswith("wants a temporary file: Sina App Engine")


def test_threads_and_processes_are_told_where_there_are_none(found: dict[str, dict[int, Finding]]) -> None:
    for mark, code in (("thread", "R406"), ("process", "R407"), ("spawn", "R407")):
        with_code = [name for name in found if line_of(mark) in found[name]]
        assert sorted(with_code) == ["pythonanywhere", "sae"], mark
        assert found["sae"][line_of(mark)].code == code


def test_listening_is_told_everywhere(found: dict[str, dict[int, Finding]]) -> None:
    assert {findings[line_of("listen")].code for findings in found.values()} == {"R405"}


def test_a_path_from_the_working_directory_is_an_error_where_that_is_another(
    found: dict[str, dict[int, Finding]],
) -> None:
    levels = {name: found[name][line_of("relative")].level for name in found}
    assert levels.pop("pythonanywhere") == "error"
    assert set(levels.values()) == {"warning"}


def test_what_is_no_file_and_what_a_rehearsal_refuses_by_itself_is_not_told(
    found: dict[str, dict[int, Finding]],
) -> None:
    for findings in found.values():
        for mark in ("null", "memory", "net"):
            assert line_of(mark) not in findings


def test_a_message_says_what_and_the_fix_what_to_do(found: dict[str, dict[int, Finding]]) -> None:
    finding = found["heroku"][line_of("write")]
    assert finding.message == "writes uploads/a.png: Heroku forgets it at the next restart"
    assert "object store" in finding.fix
    assert finding.fix == CODES["R404"].fix


def test_nothing_of_the_users_is_touched(planted: Path, found: dict[str, dict[int, Finding]]) -> None:
    there = {str(path.relative_to(planted)) for path in planted.rglob("*")}
    assert there == {
        *(
            "app",
            "app/__init__.py",
            "config.yaml",
            "data.txt",
            "index.wsgi",
            "main.py",
            "old.txt",
            "outside.txt",
            "views",
        ),
    }
    assert not Path((planted / "outside.txt").read_text()).exists()


@pytest.mark.parametrize(
    ("source", "code", "words", "line"),
    [
        (HEAD + "raise RuntimeError('no')\n", "R401", "RuntimeError: no", 6),
        (HEAD + "def broken(:\n", "R401", "SyntaxError", 6),
        (HEAD + "os._exit(4)\n", "R401", "ended the process with status 4", 0),
        (HEAD + "site.run(port=8099, quiet=True)\n", "R405", "listens on 127.0.0.1:8099", 6),
        (HEAD + "with site.db.unit() as db:\n    db.connection()\n", "R408", "asks the database", 7),
        (HEAD + "while True:\n    time.sleep(1)\n", "R402", "had not started", 0),
    ],
)
def test_a_fault_is_found_with_its_line(tmp_path: Path, source: str, code: str, words: str, line: int) -> None:
    patience = 4 if "while" in source else 30
    (finding,) = rehearse(plant(tmp_path, source), HEROKU, patience=patience)
    assert finding.code == code
    assert words in finding.message
    if "while" in source:
        assert finding.line in (6, 7)
    else:
        assert finding.line == line
    assert finding.path == ("app/__init__.py" if finding.line else "")


def test_a_mistake_in_the_settings_has_its_line(tmp_path: Path) -> None:
    (finding,) = rehearse(plant(tmp_path, HEAD, "demijohn:\n  body:\n    limit: much\n"), HEROKU)
    assert (finding.code, finding.path, finding.line) == ("R401", "config.yaml", 5)


def test_what_comes_after_a_refused_import_is_seen_as_well(tmp_path: Path) -> None:
    source = HEAD + "open(os.path.join(ROOT, 'a'), 'w')\nsite.get('/')(lambda: 1 / 0)\n"
    assert codes(rehearse(plant(tmp_path, source), GAE)) == ["R403", "R410"]


def test_the_site_behaves_as_on_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    source = HEAD + (
        "@site.get('/')\ndef page():\n"
        "    try:\n        open(os.path.join(ROOT, 'a'), 'w')\n"
        "    except OSError as error:\n        raise HTTPError(500, os.strerror(error.errno))\n"
        "    raise HTTPError(503, 'it could be written')\n"
    )
    assert codes(rehearse(plant(tmp_path, source), GAE)) == ["R403"]
    assert codes(rehearse(plant(tmp_path / "other", source), LOCAL)) == ["R410"]


def test_another_server_is_not_asked(tmp_path: Path) -> None:
    source = HEAD + "import socket\nsocket.create_connection(('db.example.org', 5432))\n"
    asked, rest = rehearse(plant(tmp_path, source), HEROKU)
    assert (asked.code, asked.line, rest.code) == ("R408", 7, "R415")
    assert "asks db.example.org:5432 while the site is loaded" in asked.message


def test_the_servers_of_the_settings_are_not_asked(tmp_path: Path) -> None:
    config = (
        "demijohn:\n  database:\n    url: postgresql://u:p@127.0.0.1:1/x\n    replicas: 127.0.0.1:2\n    tls: verify\n"
        "  memcached:\n    url: u:p@127.0.0.1:3\n  redis:\n    url: redis://127.0.0.1:4\n  session:\n    type: redis\n"
    )
    given = "site = Site(ROOT, {'database.url': 'mysql://u:p@127.0.0.1:5/x'})"
    source = HEAD.replace("site = Site(ROOT)", given) + (
        "class Note(site.db.Model):\n    __tablename__ = 'n'\n"
        "    id = __import__('sqlalchemy').Column(__import__('sqlalchemy').Integer, primary_key=True)\n"
        "@site.get('/')\ndef page(db, session):\n    assert site.memcached is None\n"
        "    session['a'] = 1\n    db.add(Note())\n    db.flush()\n"
        "    assert db.query(Note).count() == 1, db.query(Note).count()\n    raise HTTPError(503, 'all is there')\n"
    )
    (finding,) = rehearse(plant(tmp_path, source, config), HEROKU)
    assert finding.message.startswith("GET / answers 503")


def test_limits_are_the_hosts(tmp_path: Path) -> None:
    source = HEAD + "heap = bytearray(50 * 2**20)\n@site.get('/')\ndef page():\n    time.sleep(0.01)\n"
    root = plant(tmp_path, source)
    tight = HEROKU._replace(limits=Limits(boot=0.001, first_byte=0.001, memory=40))
    wide = HEROKU._replace(limits=Limits(boot=1000, first_byte=1000, memory=100_000))
    found = {finding.code: finding for finding in rehearse(root, tight)}
    assert {"R402", "R411", "R413"} <= found.keys()
    assert "Heroku waits 0.001 s" in found["R402"].message
    assert "2 processes of" in found["R413"].message  # WEB_CONCURRENCY, as the host sets it
    assert rehearse(root, wide) == []


def test_a_host_without_main_py_is_told(tmp_path: Path) -> None:
    root = plant(tmp_path, HEAD)
    (root / "main.py").unlink()
    (finding,) = rehearse(root, HEROKU)
    assert finding.code == "R401"
    assert "There is no main.py" in finding.message
    assert rehearse(root, SAE) == []


def test_tables_are_made_by_the_migrations(tmp_path: Path) -> None:
    migration = (
        '"""first"""\nimport sqlalchemy as sa\nfrom alembic import op\nrevision = "a1"\ndown_revision = None\n'
        "def upgrade():\n    op.create_table('made', sa.Column('id', sa.Integer, primary_key=True))\n"
        "def downgrade():\n    op.drop_table('made')\n"
    )
    source = HEAD + (
        "from sqlalchemy import text\n@site.get('/')\ndef page(db, session):\n    session['a'] = 1\n"
        "    db.execute(text('select id from made'))\n"
    )
    files = {"migrations/versions/a1.py": migration}
    assert rehearse(plant(tmp_path, source, files=files), HEROKU) == []
    wrong = {"migrations/versions/a1.py": migration.replace("'made', sa", "'made', nothing")}
    (finding,) = rehearse(plant(tmp_path / "wrong", source, files=wrong), HEROKU)
    assert finding.code == "R414"
    assert "nothing" in finding.message


def test_each_route_is_visited_though_others_hang_fail_or_end_the_process(tmp_path: Path) -> None:
    source = HEAD + (
        "@site.get('/a')\ndef a():\n    time.sleep(99)\n"
        "@site.get('/b')\ndef b():\n    os._exit(3)\n"
        "@site.get('/c/<number:int>/<name:re:[a-z]+>')\ndef c(number, name):\n    return number / 0\n"
        "@site.get('/d')\ndef d():\n    raise HTTPError(503, 'later')\n"
        "@site.post('/e')\ndef e():\n    raise SystemExit('no')\n"
    )
    found = rehearse(plant(tmp_path, source), HEROKU, patience=5)
    assert [(finding.code, finding.line, finding.message.partition(";")[0]) for finding in found] == [
        ("R411", 8, "GET /a had not answered after 5 s"),
        ("R412", 9, "GET /b ended the process with status 3"),
        ("R410", 14, "GET /c/1/a answers 500: ZeroDivisionError: division by zero"),
        ("R410", 15, "GET /d answers 503: the site says no more"),
        ("R410", 20, "POST /e raises an exception: SystemExit: no"),
    ]


def test_time_is_kept(tmp_path: Path) -> None:
    source = HEAD + "@site.get('/')\ndef a():\n    time.sleep(99)\n"
    (finding,) = rehearse(plant(tmp_path, source), HEROKU, deadline=3, patience=60)
    assert finding.code == "R415"
    assert "time ran out" in finding.message


def test_there_must_be_a_site() -> None:
    with pytest.raises(DemijohnError, match="There is no folder"):
        rehearse("nowhere", HEROKU)
