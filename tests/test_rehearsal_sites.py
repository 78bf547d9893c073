"""Rehearsals of sites that want what only their host has, and of those that behave badly."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.rehearsal import rehearse
from tests.services import until
from tests.sites import OURS
from tests.test_rehearsal import HEAD, plant

HEROKU, SAE, LOCAL = map(hosts.find, ("heroku", "sae", "local"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)


def of_a_rehearsal(scratch: Path) -> list[str]:
    """The processes of rehearsals whose folders are made in `scratch`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(scratch) in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


def test_what_is_set_on_the_host_alone_is_taken_to_be_there(tmp_path: Path) -> None:
    source = HEAD + (
        "import psycopg\nCACHE, LIMIT = os.environ['REDIS_URL'], int(os.environ['MOST_UPLOADS'])\n"
        "assert CACHE.startswith('redis://')\n"
        "@site.get('/')\ndef page():\n    return str(len(os.environ['PAYMENT_SECRET']))\n"
        "@site.get('/by-hand')\ndef hand():\n    psycopg.connect(os.environ['DATABASE_URL'])\n"
    )
    assert rehearse(plant(tmp_path, source), HEROKU) == []


def test_what_cannot_begin_with_a_stand_in_is_not_rehearsed(tmp_path: Path) -> None:
    source = HEAD + "import json\njson.loads(os.environ['SERVICE_ACCOUNT_KEY'])['project']\n"
    (finding,) = rehearse(plant(tmp_path, source), HEROKU)
    assert (finding.code, finding.level, finding.line) == ("R415", "warning", 7)
    assert "with stand-ins for SERVICE_ACCOUNT_KEY, not set here: JSONDecodeError" in finding.message


def test_a_variable_that_the_site_does_without_is_not_put_there(tmp_path: Path) -> None:
    source = HEAD + (
        "try:\n    os.environ['TITLE']\nexcept KeyError:\n    pass\nelse:\n    raise RuntimeError('it is there')\n"
        "if not os.environ.get('TOKEN'):\n    raise RuntimeError('Set TOKEN.')\n"
    )
    (finding,) = rehearse(plant(tmp_path, source), HEROKU)
    assert (finding.code, finding.line) == ("R401", 13)
    assert finding.message.endswith("RuntimeError: Set TOKEN.")


def test_what_sqlite_cannot_do_is_no_fault_of_the_site(tmp_path: Path) -> None:
    source = HEAD + (
        "from sqlalchemy import text\n"
        "@site.get('/a')\ndef a(db):\n    db.execute(text(\"select date_trunc('day', now())\"))\n"
        "@site.get('/b')\ndef b(db):\n    db.execute(text('select * from nowhere'))\n"
    )
    does_not, wrong = rehearse(plant(tmp_path, source), HEROKU)
    assert (does_not.code, does_not.level, does_not.line) == ("R415", "warning", 9)
    assert "SQLite, with which a rehearsal works, cannot do it: " in does_not.message
    assert does_not.message.endswith("(sqlite3.OperationalError) no such function: date_trunc")
    assert (wrong.code, wrong.line) == ("R410", 12)
    assert wrong.message.endswith("(sqlite3.OperationalError) no such table: nowhere")


def test_tables_that_sqlite_cannot_make_are_no_fault_of_the_site(tmp_path: Path) -> None:
    source = HEAD + (
        "from sqlalchemy import Column, Integer\nfrom sqlalchemy.dialects.postgresql import ARRAY\n"
        "class Note(site.db.Model):\n    __tablename__ = 'n'\n    id = Column(Integer, primary_key=True)\n"
        "    data = Column(ARRAY(Integer))\n"
    )
    (finding,) = rehearse(plant(tmp_path, source), HEROKU)
    assert (finding.code, finding.level) == ("R415", "warning")
    assert "can't render element of type ARRAY" in finding.message
    assert " at 0x" not in finding.message


def test_a_site_that_behaves_badly_is_rehearsed_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    source = HEAD + (
        "import shutil\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(999)\n"  # a daemon
        "print('a' * 2_000_000)\nprint('b' * 2_000_000, file=sys.stderr)\nsys.stdout.close()\n"
        "@site.get('/a')\ndef a():\n    raise KeyboardInterrupt\n"
        "@site.get('/b')\ndef b():\n    while True:\n        yield 'on and on' * 10000\n"
        "@site.get('/c')\ndef c():\n    shutil.rmtree(os.path.join(ROOT, 'static'))  # static\n"
        "@site.get('/d')\ndef d():\n    return 1 / 0\n"
        "def wrapped(inner):\n    def outer(environ, start):\n        return inner(environ, start)\n"
        "    return outer\napplication = wrapped(site)\n"
    )
    root = plant(tmp_path, source, files={"static/views/a.txt": "", "static/b.txt": ""})
    (root / "index.wsgi").write_text(
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\nfrom app import application\n"
    )
    found = [(finding.code, finding.message.partition(":")[0]) for finding in rehearse(root, LOCAL)]
    assert found == [("R410", "GET /a raises an exception"), ("R410", "GET /d answers 500")]
    assert os.listdir(scratch) == []
    until(lambda: not of_a_rehearsal(scratch), "What the site has started goes on.")


def test_an_application_that_shows_no_routes_is_told(tmp_path: Path) -> None:
    root = plant(tmp_path, HEAD)
    (root / "index.wsgi").write_text("def application(environ, start):\n    start('200 OK', [])\n    return [b'']\n")
    (finding,) = rehearse(root, SAE)
    assert finding.code == "R415"
    assert "no Bottle app" in finding.message
