"""Which files of a site go to its host: those that git would take, without what is secret, hidden or not needed there.

The static files and the templates are taken whole, since git often knows nothing of those that a tool has made.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.bundle import private
from demijohn.deploy.bundle.errors import BundleError
from demijohn.deploy.bundle.manifest import MANIFEST, is_packed

#: Packages are carried along by rules of their own.
PACKAGES = "site-packages"
#: Why a file is left out.
SECRET, HIDDEN, NEEDLESS, STRANGE = "may be secret", "hidden", "not needed on a host", "not a file"

_NEEDLESS = ("*.pyc", "*.pyo", "*.orig", "*.rej", "*~", "*.swp", "*.log", "[Tt]humbs.db")
_NEEDLESS_FOLDERS = frozenset(("__pycache__", "node_modules"))
_NEEDLESS_AT_ROOT = (
    *("README*", "CHANGELOG*", "CHANGES*", "CONTRIBUTING*", "CODE_OF_CONDUCT*", "SECURITY*", "AUTHORS*"),
    *(
        "Makefile",
        "makefile",
        "justfile",
        "tox.ini",
        "noxfile.py",
        "hatch_build.py",
        "setup.cfg",
        "setup.py",
        "pyproject.toml",
    ),
    *("requirements.in", "uv.lock", "poetry.lock", "Pipfile.lock"),
    *("package.json", "package-lock.json", "tsconfig.json", "local.mk"),
)
_NEEDLESS_FOLDERS_AT_ROOT = frozenset(
    ("tests", "test", "docs", "doc", "benchmarks", "bench", "examples", "venv", "env", "build", "dist", "htmlcov")
)
_TESTS = ("test_*.py", "*_test.py", "conftest.py")


class Contents(NamedTuple):
    """What goes to the host."""

    #: Each file by its path in the bundle, sorted.
    files: dict[str, Path]
    #: What is left out, files and folders (with a slash after them), and why.
    left_out: dict[str, str]


def choose(root: Path, wanted: Collection[str] = (), whole: Collection[str] = ()) -> Contents:
    """The files of the site at `root`.

    :param wanted: files that are taken whatever they are called: the host asks for them, or the user.
    :param whole: folders of which all is taken, whether git knows it or not: static files, templates.
    :raises BundleError: it has links that would lead nowhere on the host, names that no host has, or no files.
    :raises OSError: a file cannot be read.
    """
    if (root / MANIFEST).is_file():
        raise BundleError(f"{root} is a bundle already: it holds a {MANIFEST}. Bundle the site that it was made from.")
    named = _known_to_git(root)
    if named is None or "index.wsgi" not in named:
        named = set(_walk(root, ""))
    for folder in whole:
        named.update(_walk(root, f"{folder}/"))
    named.update(name for name in wanted if (root / name).is_file())
    files, left_out = {}, {}
    for name in sorted(named):
        reason = None if name in wanted else _reason(root, name, whole)
        if reason is None:
            files[name] = root / name
        else:
            left_out[reason[0]] = reason[1]
    _refuse_links(root, files)
    _refuse_names(files)
    if not files:
        raise BundleError(f"There is nothing in {root} to bundle.")
    shown = {name.encode(errors="backslashreplace").decode(): why for name, why in left_out.items()}
    return Contents(files, {name: why for name, why in shown.items() if not name.startswith(f"{PACKAGES}/")})


def _refuse_links(root: Path, files: dict[str, Path]) -> None:
    for name, path in files.items():
        if not path.resolve().is_relative_to(root.resolve()):
            fault = "leads out of the site"
        elif not path.exists():
            fault = "leads nowhere"
        elif path.is_dir():
            fault = "leads to a folder"
        else:
            continue
        raise BundleError(
            f"{name} is a link that {fault}. What it leads to would not be on the host; put a copy in its place."
        )


def _refuse_names(files: dict[str, Path]) -> None:
    for name in files:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise BundleError(
                f"The name of {name.encode(errors='backslashreplace').decode()} is not UTF-8, and would be another one "
                "on the host. Rename the file."
            ) from None


def _known_to_git(root: Path) -> set[str] | None:
    """What git tracks, or would; None where there is no git or no repository."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    if listing.returncode:
        return None
    names = {name.rstrip("/") for name in os.fsdecode(listing.stdout).split("\0") if name}
    inner = {name for name in names if (root / name).is_dir() and not (root / name).is_symlink()}  # other repositories
    names.update(found for name in inner for found in _walk(root, f"{name}/"))
    return {name for name in names - inner if os.path.lexists(root / name)}


def _walk(root: Path, prefix: str) -> Iterator[str]:
    """The files below `prefix`, without folders that nobody wants to look into."""
    for folder, folders, names in os.walk(root / prefix):
        start = Path(folder).relative_to(root).as_posix() + "/" if Path(folder) != root else ""
        passed = _NEEDLESS_FOLDERS | (_NEEDLESS_FOLDERS_AT_ROOT | {PACKAGES} if not start else set())
        for name in list(folders):
            path = Path(folder, name)
            if name in passed or name[0] == "." or path.is_symlink() or (path / "pyvenv.cfg").is_file():
                folders.remove(name)
                if name not in _NEEDLESS_FOLDERS:
                    yield f"{start}{name}" + ("" if path.is_symlink() else "/")
        yield from (start + name for name in names)


def _reason(root: Path, name: str, whole: Collection[str]) -> tuple[str, str] | None:
    """What is to be left out for the sake of the file `name`, itself or a folder of its, and why; None: nothing."""
    parts = name.rstrip("/").split("/")
    base = parts[-1]
    if parts[0] == PACKAGES:
        return f"{PACKAGES}/", NEEDLESS
    if private.is_called_so(base) and not name.endswith("/"):
        return name, SECRET
    hidden = next((at for at, part in enumerate(parts) if part[0] == "."), None)
    if hidden is not None:
        return _upto(parts, hidden) if hidden < len(parts) - 1 else name, HIDDEN
    folder = next((at for at, part in enumerate(parts[:-1]) if part in _NEEDLESS_FOLDERS), None)
    if folder is not None:
        return _upto(parts, folder), NEEDLESS
    if not any(name.startswith(f"{each}/") for each in whole):
        if parts[0] in _NEEDLESS_FOLDERS_AT_ROOT and (len(parts) > 1 or name.endswith("/")):
            return f"{parts[0]}/", NEEDLESS
        if len(parts) == 1 and any(fnmatchcase(base, pattern) for pattern in _NEEDLESS_AT_ROOT):
            return name, NEEDLESS
        if any(fnmatchcase(base, pattern) for pattern in _TESTS) or _is_among_tests(root, parts):
            return name, NEEDLESS
        marks = (MANIFEST, "pyvenv.cfg")  # of another bundle, of an environment
        inner = (
            at for at in range(len(parts) - 1) if any((root / _upto(parts, at) / mark).is_file() for mark in marks)
        )
        for at in inner:
            return _upto(parts, at), NEEDLESS
    if name.endswith("/") or any(fnmatchcase(base, pattern) for pattern in _NEEDLESS):
        return name, NEEDLESS
    path = root / name
    if path.is_symlink() and not path.is_file():
        return None  # which is refused
    if not path.is_file():
        return name, STRANGE
    if is_packed(path):
        return name, NEEDLESS
    return (name, SECRET) if private.begins_so(path) else None


def _upto(parts: list[str], at: int) -> str:
    """The path of the folder, or the file, that is the part `at`."""
    return "/".join(parts[: at + 1]) + ("/" if at < len(parts) - 1 else "")


def _is_among_tests(root: Path, parts: list[str]) -> bool:
    """Whether it lies in a folder of tests, such as app/tests/."""
    folders = [root.joinpath(*parts[: at + 1]) for at, part in enumerate(parts[:-1]) if part in ("tests", "test")]
    return any(next(folder.glob(pattern), None) for folder in folders for pattern in _TESTS)
