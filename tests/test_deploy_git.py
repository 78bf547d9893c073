"""What `demijohn deploy` says is left to do by git, typed into a shell; then git is asked what it holds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from demijohn.deploy import git
from tests.sites import clean_environment

NEEDED = ["Procfile", "site-packages/demijohn*"]
WHO = {f"GIT_{role}_{part}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
FILES = ("config.yaml", "app/__init__.py", "Procfile", "site-packages/demijohn/site.py", "site-packages/other/a.py")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "my shop"
    for name in (*FILES, "site-packages/demijohn/__pycache__/site.pyc", "site-packages/demijohn-1.dist-info/METADATA"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    (folder / ".gitignore").write_text("__pycache__/\n/site-packages/*\n!/site-packages/demijohn*\n")
    return folder


def asked(site: Path) -> list[str]:
    return git.steps(site, NEEDED, "Heroku")


def typed(site: Path, lines: list[str]) -> None:
    script = "\n".join(["set -e", *lines])
    subprocess.run(["sh", "-c", script], cwd=site, env=clean_environment(**WHO), check=True, capture_output=True)


def held(site: Path) -> set[str]:
    """What a push would bring."""
    said = subprocess.check_output(["git", "ls-tree", "-r", "--name-only", "HEAD"], cwd=site, env=clean_environment())
    return set(said.decode().split())


WHOLE = {*FILES, ".gitignore", "site-packages/demijohn-1.dist-info/METADATA"} - {"site-packages/other/a.py"}


def test_site_in_no_repository_gets_one(site: Path) -> None:
    lines = asked(site)
    assert lines[1:] == ["git init", "git add .", 'git commit --message "The site"']
    assert not (site / ".git").exists(), "nothing is done for the user"
    typed(site, lines)
    assert held(site) == WHOLE
    assert asked(site) == []


def test_repository_without_a_commit_gets_the_first(site: Path) -> None:
    typed(site, ["git init"])
    lines = asked(site)
    assert lines == ["git add .", 'git commit --message "The site"']
    typed(site, lines)
    assert asked(site) == []


@pytest.mark.parametrize("rule", ["/site-packages/*", "site-packages/"])
def test_what_gitignore_leaves_out_is_forced_in(rule: str, site: Path) -> None:
    (site / ".gitignore").write_text(f"__pycache__/\n{rule}\nProcfile\n")
    lines = asked(site)
    assert "git add --force Procfile 'site-packages/demijohn*'" in lines
    typed(site, lines)
    assert held(site) >= WHOLE
    assert asked(site) == []


def test_what_has_changed_since_is_committed_and_what_is_not_the_host_s_is_named(site: Path) -> None:
    typed(site, asked(site))
    (site / "Procfile").write_text("web: gunicorn main:app\n")
    (site / "site-packages" / "demijohn" / "new.py").touch()
    (site / "site-packages" / "demijohn-1.dist-info" / "METADATA").unlink()
    for name in ("a.py", "b.py", "é.py", "z.py"):
        (site / name).touch()
    lines = asked(site)
    assert lines == [
        "# Not committed, and so not pushed: a.py, b.py, z.py and 1 more",
        "git add Procfile 'site-packages/demijohn*'",
        'git commit --message "What Heroku wants"',
    ]
    typed(site, lines)
    assert "site-packages/demijohn/new.py" in held(site)
    assert "site-packages/demijohn-1.dist-info/METADATA" not in held(site)
    assert asked(site) == lines[:1]


def test_site_in_a_folder_of_a_repository_gets_one_of_its_own(site: Path) -> None:
    typed(site.parent, ["git init", "git commit --allow-empty --message all"])
    lines = asked(site)
    assert "The site is my shop/ of a repository" in lines[0]
    typed(site, lines)
    assert held(site) == WHOLE
    assert asked(site) == []


def test_without_git_the_lines_are_those_of_a_new_repository(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(site))
    assert asked(site)[1:] == ["git init", "git add .", 'git commit --message "The site"']
