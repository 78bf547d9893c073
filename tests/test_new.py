"""`demijohn new`: a copy of the repository's own site, which runs and whose tests pass, and the smallest site."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from demijohn.cli import main
from tests.copies import NEW, files, new
from tests.readonly import readonly
from tests.services import missing
from tests.site.visitor import Visitor, unique
from tests.sites import ROOT, clean_environment, running

#: What is rendered for each site; all else is as it lies in the repository.
RENDERED = {".gitignore", "Makefile", "README.md", "config.yaml", "local.mk", "pyproject.toml", "tests/conftest.py"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in a folder that a shell, a url and a package would each have to quote."""
    folder = tmp_path_factory.mktemp("new")
    done = new(folder, "Mein Café & Bär/")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cd 'Mein Café & Bär/'\n  demijohn run " in done.stdout
    return folder / "Mein Café & Bär"


def test_a_copy_is_the_repository_s_own_site(tmp_path: Path) -> None:
    assert new(tmp_path, "Mein Café & Bär").returncode == 0
    wanted = ["app", "views", "static", "index.wsgi", "main.py", "gunicorn.conf.py", "config.yaml", "tests/site"]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *wanted]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True)
    if listed.returncode:
        missing(f"Only git can tell which files belong to the site: {listed.stderr.decode().strip()}")
    own = {path: ROOT / path for path in listed.stdout.decode().split("\0") if path and (ROOT / path).is_file()}
    own = {path.replace("tests/site/", "tests/"): file for path, file in own.items()}
    there = files(tmp_path / "Mein Café & Bär")
    assert there.keys() == own.keys() | RENDERED | {"site-packages/README.md"}
    assert {path: there[path] for path in own.keys() - RENDERED} == {
        path: file.read_bytes() for path, file in own.items() if path not in RENDERED
    }
    settings = there["config.yaml"].decode()
    assert settings.replace("name: mein-cafe-bar\n", "name: guestbook\n") == (ROOT / "config.yaml").read_text()


def test_a_copy_runs_at_once(made: Path) -> None:
    with running([sys.executable, "-m", "demijohn", "run"], {}, made, [made]) as address:
        text = unique("Good wine, ")
        Visitor(address).sign_up(unique("Anna")).write(text)
        assert text in Visitor(address).get("/").page


def test_git_takes_all_of_it_but_what_is_made_and_what_is_of_this_machine(tmp_path: Path) -> None:
    assert new(tmp_path, "shop").returncode == 0
    copy = tmp_path / "shop"
    made = files(copy)
    for name in (".venv/ready", "data.sqlite", "data.sqlite-wal", "app/__pycache__/a.pyc", "site-packages/bottle.py"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).touch()
    environment = {**clean_environment(), "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "init", "--quiet"], cwd=copy, env=environment, check=True)
    command = ["git", "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=True)
    assert set(listed.stdout.decode().split("\0")) - {""} == made.keys() - {"local.mk"}
    assert [name for name, content in made.items() if str(ROOT).encode() in content] == ["local.mk"]


def test_make_installs_demijohn_from_where_this_one_is(made: Path, tmp_path: Path) -> None:
    """Asked of a Python that only writes down what it is to do."""
    said = tmp_path / "said"
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{said}"\nmkdir -p .venv/bin\n'
        'case $0 in .venv/*) ;; *) cp "$0" .venv/bin/python ;; esac\n'
    )
    python.chmod(0o755)
    copy = tmp_path / "copy"
    assert new(tmp_path, "copy").returncode == 0
    subprocess.run(["make", "--silent", ".venv/ready", f"PYTHON={python}"], cwd=copy, check=True)
    words = said.read_text().splitlines()
    assert words[:3] == ["-m", "venv", ".venv"]
    last = words[len(words) - words[::-1].index("install") :]
    assert last[last.index("--editable") :] == ["--editable", f"{ROOT}[server]", "--editable", ".", "--group", "test"]


Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """`demijohn new ...` in this process, in `tmp_path`: its exit status and what it says."""
    monkeypatch.chdir(tmp_path)

    def say(*words: str) -> tuple[int, str, str]:
        status = main(["new", *words])
        return status, *capsys.readouterr()

    return say


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("shop", "shop"),
        ("My_Shop 2", "my-shop-2"),
        ("Überübung", "uberubung"),
        ("1st", "1st"),
        ("on", "on"),
        ("null", "null"),
        ("~", None),
        ("山中", None),
        ("2024", None),
        ("--", None),
        ("a\nb", None),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", None),
        ("/", None),
    ],
)
def test_the_folder_names_the_site(title: str, name: str | None, say: Say, tmp_path: Path) -> None:
    status, _, said = say("--bare", "--", title)
    if name is None:
        assert status == 1
        assert "A site cannot be called " in said
        assert os.listdir(tmp_path) == []
    else:
        assert yaml.safe_load((tmp_path / title / "config.yaml").read_text())["name"] == name
        assert f'\nname = "{name}"\n' in (tmp_path / title / "pyproject.toml").read_text()
        assert (tmp_path / title / "README.md").read_text().startswith(f"# {title}\n")


def test_a_path_leads_to_the_folder(say: Say, tmp_path: Path) -> None:
    status, _, said = say("sites/shop")
    assert (status, said) == (1, f"There is no folder {tmp_path / 'sites'} to make shop in. Make that first.\n")
    (tmp_path / "sites").mkdir()
    assert say("sites/shop", "--bare")[0] == 0
    assert say(str(tmp_path / "sites" / "café"), "--bare")[0] == 0
    assert sorted(os.listdir(tmp_path / "sites")) == ["café", "shop"]


def test_an_empty_folder_is_taken_and_stays_the_same_folder(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop"
    (folder / ".git").mkdir(parents=True)  # as `git init` or a clone of an empty repository leaves it
    before = folder.stat().st_ino
    monkeypatch.chdir(folder)
    status, said, _ = say(".", "--bare")
    assert status == 0
    assert "cd " not in said
    assert folder.stat().st_ino == before
    assert {"app", ".git", ".gitignore", "Makefile"} <= set(os.listdir(folder))
    assert not [name for name in os.listdir(folder) if "demijohn" in name]


def test_what_is_there_stays(say: Say, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "novel.txt").write_text("Once")
    (tmp_path / "file").write_text("upon")
    (tmp_path / "link").symlink_to("nowhere")
    before = files(tmp_path)
    for name, why in {
        "full": "is there already, with novel.txt in it",
        "file": "is a file",
        "link": "is a link that leads nowhere",
    }.items():
        status, _, said = say(name)
        assert status == 1
        assert said == f"{tmp_path / name} {why}. Nothing was written. Choose another name, or make room.\n"
    assert files(tmp_path) == before
    assert sorted(os.listdir(tmp_path)) == ["file", "full", "link"]


@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "no folder"])
def test_on_a_full_disk_nothing_is_left(there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "shop").mkdir()
    done = subprocess.run(
        [*NEW, "shop"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'shop'} cannot be made: File too large. Nothing of it was left there.\n"
    assert os.listdir(tmp_path) == (["shop"] if there else [])
    assert not there or os.listdir(tmp_path / "shop") == []


def test_where_nothing_can_be_written_it_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        readonly([*NEW, "shop"]), cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"{tmp_path / 'shop'} cannot be made: Read-only file system." in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_host_is_told_before_anything_is_written(say: Say, tmp_path: Path) -> None:
    status, _, said = say("shop", "--host", "herokku")
    assert status == 1
    assert "There is no profile of a host called 'herokku'." in said
    assert os.listdir(tmp_path) == []


def test_a_new_site_has_what_its_host_wants(say: Say, tmp_path: Path) -> None:
    status, said, error = say("shop", "--bare", "--host", "SAE")
    assert (status, error) == (0, "")
    assert "shop on Sina App Engine" in said
    assert said.index("saecloud deploy") < said.index("cd shop")
    assert "demijohn deploy HOST" not in said
    settings = yaml.safe_load((tmp_path / "shop" / "config.yaml").read_text())
    assert settings["name"] == "shop"
    assert {"url": "/static/", "static_path": "static"} in settings["handlers"]
