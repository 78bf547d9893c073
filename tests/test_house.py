"""The tree that git holds: its shape, and that it speaks of itself only."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.services import missing

ROOT = Path(__file__).parent.parent
ENTRIES = [
    "index.wsgi",
    "main.py",
    "config.yaml",
    "app/__init__.py",
    "views",
    "static",
    "site-packages/README.md",
    "tests",
    "README.md",
    "LICENSE",
    "src/demijohn/py.typed",
    "pyproject.toml",
    "Makefile",
    "benchmarks",
    "docs",
]
# Hosts read these, and none agrees with another on which of two to believe.
DEPENDENCY_FILES = ["requirements.txt", "uv.lock", "poetry.lock", "Pipfile.lock"]

# Written so that none matches itself, for this file is searched as well.
FOREIGN_WORDS = {
    "a folder of one machine": r"(?<!\w)/(?:work|root|Users|tmp)/\w",
    "the address of a package registry": r"\b(?:pypi|pythonhosted|npmjs|crates|golang|debian)\.(?:org|com|io)\b",
    "a writing assistant": r"\b(?:Clau[d]e|Anthro[p]ic|OpenA[I]|ChatGP[T]|Cop[i]lot|LL[M]s?|A[I][ -]assist\w*)\b",
    "the number of an issue": r"\b(?:issu[e]|fix[e]s|close[s]) #\d",
}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that git holds, or will once they are added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        missing(f"Only git can tell which files belong to the tree: {listing.stderr.decode().strip()}")
    return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_tree_has_the_shape_of_every_site(entry: str, tracked: list[Path]) -> None:
    path = ROOT / entry
    assert any(path == file or path in file.parents for file in tracked)


def test_there_is_one_dependency_file_at_most() -> None:
    assert len([name for name in DEPENDENCY_FILES if (ROOT / name).exists()]) <= 1


def test_no_module_is_too_long_to_read(tracked: list[Path]) -> None:
    lengths = {path.name: len(_text(path).splitlines()) for path in tracked if path.suffix == ".py"}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_nothing_carried_along_is_committed(tracked: list[Path]) -> None:
    names = [path.relative_to(ROOT).as_posix() for path in tracked]
    assert [name for name in names if name.startswith("site-packages/")] == ["site-packages/README.md"]
    folders = r"(^|/)(node_modules|(?<!src/demijohn/deploy/)vendor|\.venv|[^/]+\.(dist|egg)-info)/"
    files = r"\.(whl|egg|zip|gz|pyc|so|exe|jar|min\.js|min\.css)$"
    assert [name for name in names if re.search(f"{folders}|{files}", name)] == []


@pytest.mark.parametrize("what", FOREIGN_WORDS)
def test_the_tree_speaks_of_itself_only(tracked: list[Path], what: str) -> None:
    words = re.compile(FOREIGN_WORDS[what], re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked
        for number, line in enumerate(_text(path).splitlines(), 1)
        if words.search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a folder of one machine", "cd /ro" + "ot/project"),
        ("a folder of one machine", "open('/tm" + "p/scratch')"),
        ("the address of a package registry", "--index-url https://pyp" + "i.org/simple"),
        ("a writing assistant", "made with Co" + "pilot"),
        ("the number of an issue", "Fix" + "es #12"),
    ],
)
def test_what_is_foreign_is_recognised(what: str, line: str) -> None:
    assert re.search(FOREIGN_WORDS[what], line, re.IGNORECASE)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
