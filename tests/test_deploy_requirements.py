"""requirements.txt, by uv and by pip, from an index of the tests' own; pip reads what was written."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.deploy import needs, requirements, resolve
from demijohn.deploy.deployment import prepare
from demijohn.deploy.errors import RequirementsError
from demijohn.deploy.needs import Need, Needs, parse
from demijohn.deploy.plan import make_plan
from demijohn.hosts import Plan
from tests.shelf import Shelf
from tests.sites import ROOT

RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
ENGINES = [
    "uv",
    pytest.param("pip", marks=pytest.mark.skipif(resolve.machine() != "linux x86_64", reason="uv does it elsewhere")),
]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Two packages, one of which needs the other, both in two versions."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    shelf = Shelf(folder)
    for version in ("1.0", "2.0"):
        shelf.add("trial", version, "helper>=1")
        shelf.add("helper", version)
    for name, value in shelf.variables.items():
        monkeypatch.setenv(name, value)
    return shelf


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "config.yaml").write_text("name: trial\n")
    return folder


def made(plan: Plan, *lines: str, old: str = "", upgrade: bool = False, engine: str | None = "uv") -> str:
    wanted = Needs(tuple(map(parse, lines)), "requirements.in", frozenset({"driver", "trial"}), carried=False)
    return requirements.make(plan, wanted, old, upgrade=upgrade, engine=engine)


def pins(text: str) -> list[str]:
    return re.findall(r"^[\w-]+==[\w.]+", text, re.MULTILINE)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_package_has_its_version_and_hashes_and_pip_takes_them(
    engine: str, shelf: Shelf, site: Path, tmp_path: Path
) -> None:
    text = made(Plan(site, python=RUNNING), "trial>=1", engine=engine)
    assert pins(text) == ["helper==2.0", "trial==2.0"]
    for name in ("helper", "trial"):
        digest = hashlib.sha256((shelf.folder / f"{name}-2.0-py3-none-any.whl").read_bytes()).hexdigest()
        assert f"{name}==2.0 \\\n    --hash=sha256:{digest}\n" in text
    assert str(tmp_path) not in text
    assert "://" not in text
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--target", str(tmp_path / "target")]
    done = subprocess.run([*command, "-r", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target" / "trial.py").is_file()


@pytest.mark.parametrize("engine", ENGINES)
def test_versions_stay_until_newer_ones_are_asked_for(engine: str, shelf: Shelf, site: Path) -> None:
    plan = Plan(site, python=RUNNING)
    first = made(plan, "trial<2", engine=engine)
    assert pins(first) == ["helper==2.0", "trial==1.0"]
    assert made(plan, "trial<2", old=first, engine=engine) is first
    shelf.add("helper", "3.0")
    second = made(plan, "trial", old=first, engine=engine)
    assert pins(second) == ["helper==2.0", "trial==1.0"], "a new list, and no reason for other versions"
    assert pins(made(plan, "trial", old=second, upgrade=True, engine=engine)) == ["helper==3.0", "trial==2.0"]


def test_what_another_host_needs_stays(shelf: Shelf, site: Path) -> None:
    shelf.add("driver", "1.0")
    plan = Plan(site, python=RUNNING)
    both = made(plan, "driver", "helper", "trial[fast]")
    assert made(plan, "helper", "trial", old=both) is both
    without = made(plan, "driver", "trial", old=both)
    assert "#   helper" not in without, "what the site itself named is gone with its name"
    assert pins(made(plan, "trial", old=both, upgrade=True)) == ["helper==2.0", "trial==2.0"]


def test_uv_s_file_is_for_newer_pythons_too(shelf: Shelf, site: Path) -> None:
    shelf.add("driver", "1.0")
    line = "driver; python_version < '3.12'"
    text = made(Plan(site, python="3.11"), "trial", line)
    assert "driver==1.0 ; python_full_version < '3.12'" in text
    assert made(Plan(site, python="3.13"), "trial", line, old=text) is text
    assert "For Python 3.10 and newer:" in made(Plan(site, python="3.10"), "trial", line, old=text)


def test_pip_refuses_what_it_cannot_judge(shelf: Shelf, site: Path) -> None:
    other = "3.10" if RUNNING != "3.10" else "3.11"
    with pytest.raises(RequirementsError, match=rf"the host is Python {other} on linux x86_64\. Install uv"):
        made(Plan(site, python=other), "trial", engine="pip")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_found_is_told_in_the_program_s_words(engine: str, shelf: Shelf, site: Path) -> None:
    with pytest.raises(RequirementsError, match=r"--no-requirements\. The program says:\n(.|\n)*nowhere"):
        made(Plan(site, python=RUNNING), "nowhere", engine=engine)


def test_without_uv_and_pip_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(site))
    with pytest.raises(RequirementsError, match="uv is not installed"):
        resolve.engine()
    with pytest.raises(RequirementsError, match="pip is not installed"):
        resolve.engine("pip")


# What goes in


def test_the_host_and_the_settings_say_which_extras(site: Path) -> None:
    def extras(host: str, python: str = "3.11", **settings: str) -> set[str]:
        lines = [f"  {name.replace('__', '.')}: {value}" for name, value in settings.items()]
        (site / "config.yaml").write_text("\n".join(["name: trial", "demijohn:", *lines, ""]))
        profile = hosts.find(host)
        return needs.wanted_extras(make_plan(site, profile, python), profile)

    assert extras("heroku") == {"server", "postgresql"}
    assert extras("heroku", database__url='""', session__type="memory") == {"server"}
    assert extras("gae", database__url="postgresql://a:b@c/d") == {"server", "postgresql"}
    assert extras("pythonanywhere") == set()
    assert extras("vm", session__type="redis", redis__url="redis://a") == {"server", "redis"}
    assert extras("vm", session__type="cookie") == {"server", "cookie"}
    sasl = {"memcached__url": "a:1", "memcached__username": "me", "memcached__password": "secret"}
    assert extras("vm", "3.13", **sasl) == {"server", "sasl"}
    assert extras("vm", "3.11", **sasl) == {"server"}
    assert extras("vm", files__store="s3", files__bucket="b") == {"server", "s3"}
    assert extras("vm", files__store="gcs", files__bucket="b") == {"server", "gcs"}
    (site / "app").mkdir()
    (site / "app" / "notes.py").write_text("file = site.files.save_picture(upload)\n")
    assert extras("vm") == {"server", "images"}
    assert "images" not in extras("sae")  # nothing compiled runs there
    (site / "app" / "notes.py").unlink()
    (site / "migrations" / "versions").mkdir(parents=True)
    (site / "migrations" / "versions" / "a.py").touch()
    assert extras("vm") == {"server", "migrations"}


def test_this_repository_names_what_demijohn_needs_and_not_demijohn() -> None:
    host = hosts.find("heroku")
    found = needs.find(make_plan(ROOT, host), host)
    names = [need.name for need in found.needs]
    assert not found.carried
    assert "demijohn" not in names
    assert {"bottle", "sqlalchemy", "gunicorn", "psycopg"} <= set(names)
    assert "alembic" not in names
    assert "alembic" in found.optional


def test_a_demijohn_from_a_folder_is_carried_and_its_needs_are_named(site: Path) -> None:
    host = hosts.find("heroku")
    (site / "requirements.in").write_text("# mine\nrequests >= 2.0  # for the news\ndemijohn[cookie]\n")
    found = needs.find(make_plan(site, host), host)
    lines = [str(need) for need in found.needs]
    assert found.carried, "the tests run from a checkout"
    assert not [line for line in lines if line.startswith("demijohn")]
    assert {"requests>= 2.0", "gunicorn>=23", "psycopg[binary]>=3.2", "cryptography>=42"} <= set(lines)
    assert any(line.startswith("bottle") for line in lines)


def test_a_demijohn_from_an_index_is_a_line_like_any_other(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", lambda *_: None)
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "7.1")
    monkeypatch.setattr(importlib.metadata, "requires", lambda _name: ["bottle", "alembic>=1 ; extra == 'migrations'"])
    host = hosts.find("heroku")
    found = needs.find(make_plan(site, host), host)
    assert [str(need) for need in found.needs] == ["demijohn[postgresql,server]>=7.1"]
    assert not found.carried
    (site / "pyproject.toml").write_text(
        '[project]\nname = "mine"\ndependencies = ["demijohn[cookie]==7.0", "Requests"]\n'
    )
    found = needs.find(make_plan(site, host), host)
    assert [str(need) for need in found.needs] == ["demijohn[cookie,postgresql,server]==7.0", "requests"]


@pytest.mark.parametrize("line", ["--index-url https://a", "-r more.in", "!"])
def test_a_line_that_is_no_package_is_told(line: str, site: Path) -> None:
    (site / "requirements.in").write_text(f"bottle\n{line}\n")
    host = hosts.find("heroku")
    with pytest.raises(RequirementsError, match=re.escape(f"requirements.in has the line {line!r}")):
        needs.find(make_plan(site, host), host)


def test_a_broken_pyproject_is_told(site: Path) -> None:
    (site / "pyproject.toml").write_text("[project\n")
    host = hosts.find("heroku")
    with pytest.raises(RequirementsError, match=r"pyproject\.toml cannot be read: .*line 1"):
        needs.find(make_plan(site, host), host)


@pytest.mark.parametrize(
    ("line", "need"),
    [
        ("PyYAML>=6", Need("pyyaml", frozenset(), ">=6")),
        ("psycopg[binary, pool] >= 3", Need("psycopg", frozenset({"binary", "pool"}), ">= 3")),
        ("a_b.c ; python_version < '3.12'", Need("a-b-c", frozenset(), " ; python_version < '3.12'")),
        ("own @ https://a/b.whl", Need("own", frozenset(), " @ https://a/b.whl")),
    ],
)
def test_a_requirement_is_read_and_written(line: str, need: Need) -> None:
    assert parse(line) == need
    assert parse(str(need)) == need


# Files that are there


def test_a_requirements_txt_of_the_user_s_own_is_left(site: Path) -> None:
    (site / "requirements.txt").write_text("bottle\n")
    found = prepare(site, hosts.find("heroku"))
    assert "requirements.txt" not in [file.path for file in found.files]
    assert "git mv requirements.txt requirements.in" in found.notes[0]


@pytest.mark.parametrize("name", requirements.OTHERS)
def test_there_are_never_two_files_of_dependencies(name: str, site: Path) -> None:
    (site / name).touch()
    found = prepare(site, hosts.find("heroku"))
    assert "requirements.txt" not in [file.path for file in found.files]
    assert f"{name} says what the host installs" in found.notes[0]
    (site / "requirements.txt").touch()
    assert "Keep one." in prepare(site, hosts.find("heroku")).notes[0]


def test_a_runtime_txt_is_told(site: Path) -> None:
    (site / "runtime.txt").write_text("python-3.12\n")
    assert "stronger than .python-version" in prepare(site, hosts.find("heroku"), pin=False).notes[0]
