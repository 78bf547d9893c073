"""Which files of a site go into its bundle, which stay, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.deploy.bundle import bytecode, make
from demijohn.deploy.bundle.contents import choose
from demijohn.deploy.bundle.errors import BundleError, HostRefusesError, SourceError
from demijohn.hosts import Host, Limits
from tests.bundles import RUNNING, bundle, files_in, made, put, small_site
from tests.services import missing

#: What no host is to see, or needs: path and content.
STAYS: dict[str, str | bytes] = {
    ".env": "SECRET_KEY=abc",
    ".env.local": "SECRET_KEY=abc",
    ".gitignore": "/.env\n",
    ".github/workflows/test.yaml": "on: push",
    "app/.cache/x.json": "{}",
    "certs/site.key": "x",
    "certs/site.pem": "-----BEGIN PRIVATE KEY-----\nabc",
    "id_rsa": "x",
    "dev.sqlite": "x",
    "app/book.db": "x",
    "data/book": b"SQLite format 3\0...",
    "data/dump.sql": "-- MariaDB dump 10.19\n",
    "data/rows.jsonl": '{"demijohn":"dump","version":1}\n',
    "credentials.json": "{}",
    "tests/test_app.py": "def test(): ...",
    "app/tests/test_app.py": "def test(): ...",
    "app/tests/data.json": "{}",
    "app/test_app.py": "def test(): ...",
    "app/conftest.py": "",
    "docs/guide.md": "x",
    "benchmarks/run.py": "",
    "README.md": "x",
    "Makefile": "all:",
    "prod.env": "SECRET_KEY=abc",
    "static/PROD.ENV": "SECRET_KEY=abc",
    "certs/AuthKey.P8": "x",
    "app/Data.SQLITE": "x",
    "app/book.db3-wal": "x",
    "data/wal": b"\x37\x7f\x06\x82...",
    "data/nightly.sql": "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n",
    "data/web.sql": "-- phpMyAdmin SQL Dump\n-- version 5\n",
    "data/all.sql": "--\n-- PostgreSQL database cluster dump\n--\n",
    "data/new.sql": "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n",
    "backup.sql.bz2": "x",
    "secrets.yaml": "x",
    "local.mk": "DEMIJOHN = /a/folder/of/mine",
    "env3/pyvenv.cfg": "home = /usr/bin",
    "env3/lib/thing.py": "x",
    "node_modules/left-pad/index.js": "x",
    "static/node_modules/left-pad/index.js": "x",
    "venv/bin/python": "x",
    "app/__pycache__/__init__.cpython-30.pyc": "x",
    "app/notes.py~": "x",
    "server.log": "x",
    "old/bundle.json": "{}",
    "old/index.wsgi": "x",
}
GOES = {
    "index.wsgi": "application = None\n",
    "app/__init__.py": "",
    "app/latest.py": "",  # `test` is a part of its name
    "app/data/cities.csv": "Paris",
    "certs/ca.pem": "-----BEGIN CERTIFICATE-----\nabc",
    "migrations/versions/0001.py": "",
    "views/tests/list.html": "x",
    "views/docs.html": "x",
    "static/built.css": "a {}",
    "static/lessons/test_one.py": "x",
    "LICENSE": "x",
    "schema.sql": "-- Dumplings, and what is in them\nCREATE TABLE x (y INT)",
    "app/secret.py": "",
    "app/env.py": "",
    "Procfile": "web: x",
    ".python-version": "3.13",
}
WANTED = ("Procfile", ".python-version")


@pytest.fixture(params=["git", "no git"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name, content in {**STAYS, **GOES}.items():
        put(tmp_path, name, content)
    if request.param == "git":
        if shutil.which("git") is None:
            missing("git is not installed.")
        (tmp_path / ".gitignore").write_text("/.env\n/static/built.css\n/scratch/\n")
        put(tmp_path, "scratch/idea.py", "not for anybody")
        subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
        subprocess.run(["git", "add", "index.wsgi"], cwd=tmp_path, check=True)
    return tmp_path


def test_what_is_needed_goes_and_nothing_else(folder: Path) -> None:
    chosen = choose(folder, WANTED, ("static", "views"))
    assert list(chosen.files) == sorted(GOES)
    for name in {name.partition("/")[0] for name in STAYS} - {"app", "data", "static", "certs", "node_modules"}:
        # What git ignores is not worth a word.
        assert {name, f"{name}/"} & chosen.left_out.keys() or name in (".env", ".gitignore"), name


def test_it_is_said_why_something_stays(folder: Path) -> None:
    left_out = choose(folder, WANTED, ("static", "views")).left_out
    assert left_out["dev.sqlite"] == left_out["data/book"] == left_out["certs/site.pem"] == "may be secret"
    assert left_out["tests/"] == left_out["app/tests/data.json"] == "not needed on a host"
    assert left_out[".github/"] == "hidden"


def test_a_file_can_be_taken_all_the_same(folder: Path) -> None:
    assert "app/book.db" in choose(folder, (*WANTED, "app/book.db")).files


@pytest.mark.parametrize(
    ("to", "where"),
    [("{elsewhere}/shared.py", "out of the site"), ("nowhere.py", "nowhere"), ("data", "to a folder")],
)
def test_a_link_that_would_not_be_one_on_the_host_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, to: str, where: str
) -> None:
    elsewhere = put(tmp_path_factory.mktemp("elsewhere"), "shared.py").parent
    (folder / "app" / "shared.py").symlink_to(to.format(elsewhere=elsewhere))
    with pytest.raises(BundleError, match=rf"app/shared\.py is a link that leads {where}"):
        choose(folder, WANTED, ("static", "views"))


def test_a_link_to_a_file_of_the_site_is_a_file(folder: Path) -> None:
    (folder / "app" / "same.py").symlink_to("latest.py")
    assert choose(folder).files["app/same.py"].read_text() == ""


def test_what_is_no_file_stays_and_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "pipe" not in choose(folder).files


def test_a_repository_within_the_site_is_a_part_of_it(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "lib"], cwd=folder, check=True)
    put(folder, "lib/tool.py")
    assert [name for name in choose(folder).files if name.startswith("lib")] == ["lib/tool.py"]


def test_a_name_that_is_not_utf_8_is_refused_if_the_file_is_needed(folder: Path) -> None:
    for name in (b"caf\xe9.key", b"caf\xe9.txt"):
        with open(os.path.join(os.fsencode(folder), name), "wb"):
            pass
        if name.endswith(b"key"):
            assert choose(folder).left_out["caf\\udce9.key"] == "may be secret"
    with pytest.raises(BundleError, match=r"The name of caf\\udce9\.txt is not UTF-8"):
        choose(folder)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = small_site(tmp_path / "site", app__page_py="")

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("demijohn.deploy.bundle.private.begins_so", refuse)  # root may read everything
    with pytest.raises(BundleError, match=r"app/page\.py cannot be read, and so not be bundled: Permission denied"):
        make(site, hosts.find("vm"), tmp_path / "out", environ={})


def test_a_bundle_is_not_bundled(tmp_path: Path) -> None:
    small_site(tmp_path, bundle_json="{}")
    with pytest.raises(BundleError, match="is a bundle already"):
        choose(tmp_path)


# What the host refuses


@pytest.mark.parametrize(
    ("limits", "figures"),
    [
        ({"file": 5000}, r"static/large\.bin has 5\.9 kB; 4\.9 kB is the most for a file"),
        ({"folder": 3}, r"static holds 5 files; 3 is the most for a folder"),
        ({"files": 8}, r"it has 1\d files; 8 is the most \(static 5, "),
        ({"total": 6000}, r"it has \d+\.\d kB; 5\.9 kB is the most \(static 6\.\d kB, "),
    ],
)
def test_more_than_the_host_takes_is_refused_with_figures(tmp_path: Path, limits: dict[str, int], figures: str) -> None:
    site = small_site(tmp_path / "site", static__large_bin=bytes(range(250)) * 24)
    for number in range(4):
        put(site, f"static/{number}.txt", "x" * 50)
    host = hosts.find("vm")._replace(limits=Limits(**limits))
    with pytest.raises(HostRefusesError, match=figures) as caught:
        make(site, host, tmp_path / "out", environ={})
    assert len(caught.value.excesses) == 1
    assert not (tmp_path / "out").exists()


def test_compiled_code_is_refused_where_it_is_not_let_in(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", app__fast_so=b"\x7fELF")
    with pytest.raises(HostRefusesError, match=r"app/fast\.so: compiled code, which is not let in"):
        make(site, hosts.find("vm")._replace(native=False), tmp_path / "out", environ={})


def test_python_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", app__page_py="x = 1\nx = = 2\n")
    with pytest.raises(SourceError, match=r"app/page\.py:2: invalid syntax"):
        make(site, hosts.find("vm"), tmp_path / "out", environ={}, python=RUNNING)


def test_a_host_that_installs_nothing_wants_packages(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site")
    done = bundle("sae", "--root", str(site), "--no-vendor")
    assert done.returncode == 1
    assert "installs no packages, and site-packages holds none" in done.stderr


# What is done with the rest


def test_all_of_a_bundle_is_to_be_uploaded(tmp_path: Path) -> None:
    host = Host("new", "New", "none", files=lambda _plan: {".gcloudignore": "", "app.yaml": ""})
    site = small_site(tmp_path / "site")
    put(site, ".gcloudignore", "__pycache__/\n")
    made = make(site, host, tmp_path / "out", environ={})
    lines = (tmp_path / "out" / ".gcloudignore").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == []
    assert made.missing == ("app.yaml",)


def test_a_script_stays_one(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site")
    put(site, "bin/start", "#!/bin/sh\n").chmod(0o700)
    make(site, hosts.find("vm"), tmp_path / "out", environ={})
    assert files_in(tmp_path / "out")["bin/start"][1] == 0o100755


def test_without_the_host_s_python_there_is_no_byte_code_and_a_warning(tmp_path: Path) -> None:
    other = "3.12" if RUNNING != "3.12" else "3.11"
    nowhere = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": "", "UV_PYTHON_INSTALL_DIR": ""}
    site = small_site(tmp_path / "site", app____init___py="")
    words = ("vm", "--root", str(site), "--python", other)
    done = bundle(*words, environ=nowhere)
    assert f"WARNING: there is no Python {other} on this machine" in done.stdout, done.stderr
    assert not [name for name in files_in(site / "dist" / "vm") if name.endswith(".pyc")]
    assert not made(*words, environ=nowhere)["compiled"]
    assert json.loads((site / "dist" / "vm" / "bundle.json").read_text())["compiled"] is False


def test_demijohn_goes_along_where_no_index_has_it(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site")
    shutil.rmtree(site / "src")
    other = "3.12" if RUNNING != "3.12" else "3.11"  # not on this machine, as far as it is told, so nothing is compiled
    surroundings = {"HOME": str(tmp_path), "DEMIJOHN_ENV": "development"}  # whose secret is none
    made = make(site, hosts.find("vm"), tmp_path / "out", environ=surroundings, python=other)
    assert "site-packages/demijohn/site/__init__.py" in made.files
    names = {name.rpartition("/")[2] for name in made.files if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt"} <= names
    assert not {"RECORD", "INSTALLER", "direct_url.json"} & names
    assert [note.partition(":")[0] for note in made.notes] == ["Demijohn itself lies in site-packages"]


def test_a_python_that_only_seems_to_be_there_is_passed_by(tmp_path: Path) -> None:
    program = '#!/bin/sh\n[ "$1" = -I ] && echo {} || exit 127\n'
    for place, said in (("first", ""), ("second", "cpython 3.99"), ("third", "pypy 3.99")):
        put(tmp_path, f"{place}/python3.99", program.format(said)).chmod(0o755)
    path = ":".join(str(tmp_path / place) for place in ("third", "first", "second"))
    found = bytecode.find_python("3.99", {"PATH": path, "HOME": str(tmp_path)})
    assert found == str(tmp_path / "second" / "python3.99")
    assert bytecode.find_python("3.98", {"PATH": path, "HOME": str(tmp_path)}) is None
    assert bytecode.find_python(RUNNING, {"HOME": str(tmp_path)}) == sys.executable
