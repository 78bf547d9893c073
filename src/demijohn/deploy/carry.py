"""Demijohn itself in `site-packages/` of a site, for hosts that cannot get it from where it was installed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from demijohn.deploy.errors import CannotWriteError
from demijohn.deploy.needs import DEMIJOHN
from demijohn.deploy.vendor import own

FOLDER = "site-packages"
#: The package and its metadata there, as git spells it.
OURS = f"{FOLDER}/{DEMIJOHN}*"


def state(root: Path) -> str:
    """`new`, `same` or `differs`, of what the site carries."""
    there = _contents(root / FOLDER)
    if not there:
        return "new"
    with tempfile.TemporaryDirectory() as folder:
        own.copy(Path(folder))
        return "same" if there == _contents(Path(folder)) else "differs"


def let_in(gitignore: str) -> str:
    """The text of .gitignore, in which what is carried is let in, as far as all of site-packages/ is left out."""
    there = gitignore.splitlines()
    line = f"!/{OURS}"
    if f"/{FOLDER}/*" not in there or line in there:
        return gitignore
    return f"{gitignore.rstrip()}\n{line}\n"


def carry(root: Path) -> None:
    """Put it there, in place of another release.

    :raises CannotWriteError: the folder cannot be written.
    """
    folder = root / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as part:
            own.copy(Path(part))
            for old in _tops(folder):
                shutil.rmtree(old)
            for new in _tops(Path(part)):
                new.rename(folder / new.name)
    except OSError as error:
        raise CannotWriteError(FOLDER, error.strerror or str(error)) from None


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for top in _tops(folder)
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _tops(folder: Path) -> list[Path]:
    """The package and its metadata."""
    return [*folder.glob(DEMIJOHN), *folder.glob(f"{DEMIJOHN}-*.dist-info")]
