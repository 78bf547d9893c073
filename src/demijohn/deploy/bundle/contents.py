"""Which files of a site go to its host: those that git would take, without what is secret, hidden or not needed there.

The static files and the templates are taken whole, since git often knows nothing of those that a tool has made.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.bundle.errors import BundleError
from demijohn.deploy.bundle.manifest import MANIFEST

#: Packages are carried along by rules of their own.
PACKAGES = "site-packages"
#: Why a file is left out.
SECRET, HIDDEN, NEEDLESS = "may be secret", "hidden", "not needed on a host"

_SECRETS = (
    *(".env", ".env.*", ".envrc", ".netrc", ".pgpass", ".my.cnf", ".htpasswd"),
    *("*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ovpn"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *("credentials*.json", "client_secret*.json", "service?account*.json"),
    *("*.sqlite", "*.sqlite3", "*.sqlite-*", "*.sqlite3-*", "*.db", "*.db-journal", "*.db-wal", "*.db-shm"),
    *("*.dump", "*.rdb", "*.sql.gz", "*.sql.xz", "*.sql.zst", "*.bak"),
)
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
    *("package.json", "package-lock.json", "tsconfig.json"),
)
_NEEDLESS_FOLDERS_AT_ROOT = frozenset(
    ("tests", "test", "docs", "doc", "benchmarks", "bench", "examples", "venv", "env", "build", "dist", "htmlcov")
)
_TESTS = ("test_*.py", "*_test.py", "conftest.py")
#: How files begin that are secret whatever their names.
_DATABASES = (b"SQLite format 3\0", b"PGDMP", b"REDIS0", b'{"demijohn":"dump"')
_DUMPS = re.compile(rb"-- (MySQL dump|MariaDB dump|PostgreSQL database dump)|--\r?\n-- PostgreSQL database dump")


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
    :raises BundleError: it has links that lead out of it, or none of its files can be taken.
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
    outside = [name for name, path in files.items() if not path.resolve().is_relative_to(root.resolve())]
    if outside:
        raise BundleError(
            f"{', '.join(outside[:5])}: a link that leads out of the site. What it leads to would not be on the host; "
            "put a copy in its place."
        )
    if not files:
        raise BundleError(f"There is nothing in {root} to bundle.")
    return Contents(files, {name: why for name, why in left_out.items() if not name.startswith(f"{PACKAGES}/")})


def _known_to_git(root: Path) -> set[str] | None:
    """What git tracks, or would; None where there is no git or no repository."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    if listing.returncode:
        return None
    names = os.fsdecode(listing.stdout).split("\0")
    return {name for name in names if name and not (root / name).is_dir() and os.path.lexists(root / name)}


def _walk(root: Path, prefix: str) -> Iterator[str]:
    """The files below `prefix`, without folders that nobody wants to look into."""
    for folder, folders, names in os.walk(root / prefix):
        start = Path(folder).relative_to(root).as_posix() + "/" if Path(folder) != root else ""
        passed = _NEEDLESS_FOLDERS | (_NEEDLESS_FOLDERS_AT_ROOT | {PACKAGES} if not start else set())
        for name in [name for name in folders if name in passed or name[0] == "."]:
            folders.remove(name)
            if name not in _NEEDLESS_FOLDERS:
                yield f"{start}{name}/"
        yield from (start + name for name in names)


def _reason(root: Path, name: str, whole: Collection[str]) -> tuple[str, str] | None:
    """What is to be left out for the sake of the file `name`, itself or a folder of its, and why; None: nothing."""
    parts = name.rstrip("/").split("/")
    base = parts[-1]
    if parts[0] == PACKAGES:
        return f"{PACKAGES}/", NEEDLESS
    if any(fnmatchcase(base, pattern) for pattern in _SECRETS):
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
        bundle = next((at for at in range(len(parts) - 1) if (root / _upto(parts, at) / MANIFEST).is_file()), None)
        if bundle is not None:
            return _upto(parts, bundle), NEEDLESS
    if any(fnmatchcase(base, pattern) for pattern in _NEEDLESS):
        return name, NEEDLESS
    return (name, SECRET) if _is_secret_inside(root / name) else None


def _upto(parts: list[str], at: int) -> str:
    """The path of the folder, or the file, that is the part `at`."""
    return "/".join(parts[: at + 1]) + ("/" if at < len(parts) - 1 else "")


def _is_among_tests(root: Path, parts: list[str]) -> bool:
    """Whether it lies in a folder of tests, such as app/tests/."""
    folders = [root.joinpath(*parts[: at + 1]) for at, part in enumerate(parts[:-1]) if part in ("tests", "test")]
    return any(next(folder.glob(pattern), None) for folder in folders for pattern in _TESTS)


def _is_secret_inside(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16 if path.suffix == ".pem" else 256)
    except OSError:
        return False
    if path.suffix == ".pem":  # a certificate is none
        return b"PRIVATE KEY-----" in start
    return start.startswith(_DATABASES) or _DUMPS.search(start) is not None
