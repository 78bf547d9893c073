"""`demijohn check`: what is printed, what programs get, how it ends, and sites in a bad state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demijohn import hosts
from demijohn.check import check
from demijohn.cli import main
from demijohn.deploy.bundle import private
from tests.planted import Trial
from tests.ready import demijohn_run
from tests.services import PATIENCE, until
from tests.sites import ROOT, clean_environment
from tests.test_rehearsal_sites import of_a_rehearsal


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    root = tmp_path / "trial"
    root.mkdir()
    return Trial(root).make("heroku")


def run(trial: Trial, *words: str) -> int:
    return main(["check", "--root", str(trial.root), "--no-rehearsal", *words])


# What is said


def test_a_line_says_where_what_and_the_cure(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    place = trial.code("os.mkdir('/srv/uploads')")
    assert run(trial, "heroku") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{place}: I306 warning [heroku] A file is written while the site is loaded: Heroku forgets it at the next "
        "restart. -> Keep it in memory or in the database; log to stderr.",
        "0 errors, 1 warning. Checked for: heroku.",
    ]


def test_one_fault_on_many_hosts_is_one_line(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    place = trial.code("os.mkdir('/srv/uploads')")
    run(trial, "all")
    lines = [line for line in capsys.readouterr().out.splitlines() if "I306" in line]
    assert len(lines) == 2
    forgets, none = sorted(lines, key=lambda line: "warning" not in line)
    assert forgets.startswith(f"{place}: I306 warning [")
    assert "the host forgets it" in forgets
    listed = {name for name in hosts.names() if hosts.find(name).disk == "forgets"}
    assert set(forgets.partition("[")[2].partition("]")[0].split(", ")) == listed
    assert none.partition("[")[2].partition("]")[0] == ", ".join(
        n for n in hosts.names() if hosts.find(n).disk == "none"
    )


def test_what_all_hosts_have_in_common_names_none(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.setting("session.httponly: false")
    run(trial, "all")
    assert "config.yaml:6: S106 warning [all hosts] " in capsys.readouterr().out


def test_secrets_are_not_printed(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.setting("secret: hunter2")
    trial.setting("database.url: postgresql://ann:hunter2@localhost/notes")
    trial.setting("memcached.password: [hunter2]")
    trial.setting("app: {token: hunter2hunter2}")
    trial.git("add", "--all")
    run(trial, "all")
    run(trial, "all", "--json")
    out, err = capsys.readouterr()
    assert "S103" in out
    assert "hunter2" not in out + err


def test_names_of_files_cannot_write_on_the_terminal(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.write("static/\x1b[2J.txt", "")
    run(trial, "heroku")
    out = capsys.readouterr().out
    assert "F226" in out
    assert "\x1b" not in out


# How it ends


@pytest.mark.parametrize(
    ("line", "words", "status"),
    [
        ("session.timeout: 5m", ["heroku"], 1),  # written twice
        ("session.secure: false", ["heroku"], 0),
        ("session.secure: false", ["heroku", "--strict"], 1),
        ("session.secure: false", ["heroku", "--strict", "--ignore", "s105"], 0),
        ("static.path: nowhere", ["heroku", "--ignore", "S105,S117"], 0),
        ("static.path: nowhere", ["heroku"], 1),
        ("app.x: 1", ["heroku", "--strict"], 0),
        ("app.x: 1", ["--strict"], 0),
        ("app.x: 1", ["nimbus"], 2),
        ("app.x: 1", ["heroku", "--ignore", "S999"], 2),
    ],
)
def test_the_exit_status(trial: Trial, line: str, words: list[str], status: int) -> None:
    trial.setting(line)
    assert run(trial, *words) == status


def test_a_wrong_call_says_what_there_is(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    run(trial, "nimbus")
    run(trial, "heroku", "--ignore", "S999,F201")
    assert capsys.readouterr().err.splitlines() == [
        f"There is no profile of a host called 'nimbus'. There are: {', '.join(hosts.names())}. Or: all.",
        "There is no code S999; docs/checks.md has them all.",
    ]


def test_without_a_host_those_are_checked_whose_files_are_there(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    run(trial)
    assert "heroku" in capsys.readouterr().out.splitlines()[-1].partition("for: ")[2].rstrip(".").split(", ")
    (trial.root / "Procfile").unlink()
    run(trial)
    assert capsys.readouterr().out == "Nothing found. Checked for: local.\n"


def test_json(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.setting("session.secure: false")
    (trial.root / "main.py").unlink()
    assert run(trial, "heroku", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "version": 1,
        "hosts": ["heroku"],
        "errors": 1,
        "warnings": 1,
        "findings": [
            {
                "code": "S105",
                "title": "a session cookie that travels in the clear",
                "level": "warning",
                "path": "config.yaml",
                "line": 6,
                "hosts": ["heroku"],
                "message": "session.secure is false: one visit over http, and whoever listens has the visitor's "
                "session.",
                "fix": "Leave it out; auto is right on every host.",
            },
            {
                "code": "F201",
                "title": "no door",
                "level": "error",
                "path": "main.py",
                "line": 0,
                "hosts": ["heroku"],
                "message": "There is no main.py, by which Heroku loads the site.",
                "fix": "Copy it from a site that `demijohn new` makes.",
            },
        ],
    }


# Sites in a bad state


def codes(trial: Trial, host: str = "heroku") -> set[tuple[str, str]]:
    report = check(trial.root, [hosts.find(host)], named=False, rehearsal=False)
    return {(finding.code, finding.path) for finding, _ in report}


def test_an_empty_folder(tmp_path: Path) -> None:
    assert codes(Trial(tmp_path)) == {("F201", "main.py")}


def test_without_git_the_files_are_those_that_lie_there(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(trial.root))  # no git
    trial.write("node_modules/a:b", "")
    trial.write("env/pyvenv.cfg", "")
    trial.write("env/lib/a:b", "")
    trial.write("static/a:b", "")
    assert codes(trial) == {("F226", "static/a:b")}


def test_links_in_a_circle_and_links_to_nothing(trial: Trial) -> None:
    os.symlink("..", trial.root / "static/up")
    os.symlink("loop", trial.root / "static/loop")
    os.symlink("nowhere", trial.root / "views/gone.html")
    os.symlink("nowhere.py", trial.root / "app/gone.py")
    assert codes(trial) == {("F203", "app/gone.py")}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\ndemijohn: }\n", 2),
        (b"\xff\xfe\0", 1),
        (b"a: 1\n\xe9", 2),
        (b"- a", 1),
        (b"demijohn:\n  secret: {a: b}\n", 2),
    ],
)
def test_a_broken_config_is_a_finding(trial: Trial, content: bytes, line: int) -> None:
    trial.write("config.yaml", content)
    report = check(trial.root, [hosts.find("heroku")], named=False, rehearsal=False)
    assert [(finding.code, finding.path, finding.line) for finding, _ in report] == [("S101", "config.yaml", line)]


@pytest.mark.parametrize("content", [b"\0", b"# coding: nothing\n", b"(" * 3000, b"\xff\xfe\0", b"return +\n"])
def test_python_in_any_state(trial: Trial, content: bytes) -> None:
    trial.write("app/__init__.py", content)
    assert ("F203", "app/__init__.py") in codes(trial)


@pytest.mark.parametrize(
    "code",
    [
        "if site.development:\n    site.create_tables()",
        "if os.environ.get('FILL'):\n    site.create_tables()",
        "try:\n    import ujson\nexcept ImportError:\n    os.makedirs('a')",
        "later = lambda: site.create_tables()",
        "all_of_them = (site.create_tables() for _ in range(3))",
        "@site.hook('before_request')\ndef before():\n    site.db.unit()",
        "def each():\n    os.makedirs('a')\n    yield\neach()",
        "class Job:\n    def run(self):\n        site.run()",
        "TOKEN_LENGTH = len(secrets.token_hex())\nsecrets.choice('ab')",
        "WORDS = open(os.path.join(os.path.dirname(__file__), 'notes.txt')).read()",
        "import tempfile, threading, subprocess, sqlite3\nlock = threading.Lock()",
        "scratch = open(os.path.join('/tmp', 'check'), 'w')\nscratch.close()",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy",
        "primary_key = 'id'\nKEYS.update(sort='name')\nos.environ.get('LANG', 'C')",
        "site.route('/a', name='a')(home)\nsite.get_url('a')",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import scipy",
        "match os.environ.get('FILL'):\n    case 'all':\n        site.create_tables()",
        "CACHE_KEY_PREFIX = secrets.token_hex()",
        "import sys\nsys.path.insert(0, os.path.join(site.settings.root, 'migrations'))\nimport env_of_ours",
        "async def each():\n    site.create_tables()\neach()",
    ],
)
def test_what_is_no_fault_is_not_found(trial: Trial, code: str) -> None:
    trial.write("migrations/env_of_ours.py", "")
    trial.code(code)
    assert codes(trial) == set()


def test_a_package_that_lies_there_and_that_git_leaves_out(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.code("", "scipy")
    assert run(trial, "heroku") == 1
    assert "-> Add its package to requirements.txt." in capsys.readouterr().out
    trial.write("site-packages/scipy/__init__.py", "")
    assert run(trial, "heroku") == 1
    assert "git leaves out: git add --force 'site-packages/scipy*'" in capsys.readouterr().out
    trial.git("add", "--force", "site-packages/scipy")
    assert run(trial, "heroku") == 0


def test_what_lies_there_says_nothing_of_a_bundle_that_nobody_has_asked_for(trial: Trial) -> None:
    trial.write("site-packages/fast/_speed.abi3.so", b"\x7fELF")
    assert codes(trial, "sae") == set()


def test_an_alias_hides_nothing(trial: Trial) -> None:
    trial.write(
        "app/models.py", "from . import site as s\nfrom os import makedirs as mk\nmk('/srv/a')\ns.create_tables()\n"
    )
    trial.code("from .models import mk")
    report = check(trial.root, [hosts.find("gae")], named=False, rehearsal=False)
    assert [(finding.code, finding.path, finding.line) for finding, _ in report] == [
        ("I306", "app/models.py", 3),
        ("I301", "app/models.py", 4),
    ]


# The whole command, in a process of its own


def checked(root: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = demijohn_run("check", *words, "--json", "--root", str(root), folder=ROOT, environment=clean_environment())
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def snapshot(root: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in root.rglob("*")}


def test_what_a_rehearsal_sees_is_told_once_and_nothing_is_written(trial: Trial) -> None:
    trial.code("def put(path):\n    getattr(os, 'makedirs')(os.path.join(site.settings.root, path))\nput('hidden')")
    seen = trial.code("os.makedirs(os.path.join(site.settings.root, 'plain'))")
    failing = trial.code("@site.get('/fails')\ndef fails():\n    return 1 / 0")
    reading = trial.code("@site.get('/reads')\ndef reads():\n    return open('app/notes.txt').read()")
    before = snapshot(trial.root)
    status, report = checked(trial.root, "heroku")
    assert snapshot(trial.root) == before
    found = [(each["code"], f"{each['path']}:{each['line']}") for each in report["findings"]]
    hidden = int(seen.partition(":")[2]) - 2
    assert sorted(found) == [
        ("I306", seen),
        ("R404", f"app/__init__.py:{hidden}"),
        ("R409", reading),
        ("R410", failing),
    ]
    assert status == 1  # for R410
    assert {each["level"] for each in report["findings"] if each["code"] != "R410"} == {"warning"}


def test_a_site_that_does_not_start_is_told_why_once(trial: Trial) -> None:
    trial.setting("session.tiemout: 5m")
    _, report = checked(trial.root, "heroku")
    assert [each["code"] for each in report["findings"]] == ["S101"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_is_told_to_stop_leaves_nothing_behind(trial: Trial, tmp_path: Path, number: signal.Signals) -> None:
    trial.code("import time; time.sleep(99)")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "demijohn", "check", "heroku", "--root", str(trial.root)]
    environ = {**clean_environment(), "TMPDIR": str(scratch)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        until(lambda: of_a_rehearsal(scratch), "No rehearsal begins.")
        process.send_signal(number)
        assert process.wait(PATIENCE) == 130
        assert process.stdout is not None
        assert b"Traceback" not in process.stdout.read()
    assert not of_a_rehearsal(scratch)
    assert os.listdir(scratch) == []


def test_nothing_is_found_in_the_site_of_this_repository() -> None:
    status, report = checked(ROOT, "all", "--strict")
    assert (status, report["findings"]) == (0, [])
    assert report["hosts"] == list(hosts.names())


@pytest.mark.parametrize(
    ("name", "content", "level"),
    [
        (".env", b"A=b", "surely"),
        (".env", b" \n", ""),
        (".env.production", b"A=b", "surely"),
        (".env.example", b"A=b", ""),
        ("prod.env", b"A=b", "maybe"),
        ("id_rsa", b"x", "surely"),
        ("id_rsa.pub", b"x", "maybe"),
        ("shop.p12", b"x", "surely"),
        ("shop.key", b"-----BEGIN PRIVATE KEY-----", "surely"),
        ("shop.key", b"-----BEGIN PUBLIC KEY-----", "maybe"),
        ("shop.pem", b"-----BEGIN CERTIFICATE-----", ""),
        ("account.json", b'{"private_key": "-----BEGIN PRIVATE KEY-----', "surely"),
        ("package.json", b"{}", ""),
        ("data.bin", b"SQLite format 3\0", "surely"),
        ("shop.db", b"not SQLite's", "maybe"),
        ("schema.sql", b"-- PostgreSQL database dump\n", "maybe"),
        ("secrets.yml", b"a: b", "maybe"),
        ("app.py", b"SECRET = 1", ""),
    ],
)
def test_what_is_secret_in_git(name: str, content: bytes, level: str, tmp_path: Path) -> None:
    """By the list of what no bundle takes along."""
    path = tmp_path / name
    path.write_bytes(content)
    assert private.is_surely(path) is (level == "surely")
    if level == "maybe":
        assert private.may_be(path)
    if level == "" and content.strip():
        assert not private.may_be(path)
