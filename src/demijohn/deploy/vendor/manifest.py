"""The list of what was put into the folder, by which the next run knows what is its own, and the exchange of an old
folder for a new one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.vendor.errors import NotOursError, VendorError
from demijohn.deploy.vendor.report import Package
from demijohn.deploy.vendor.target import Target

#: The file in the folder that says what was put there, and for which Python and platform.
MANIFEST = "vendored.json"


class Old(NamedTuple):
    """What lies in the folder before it is filled, by the paths in it."""

    #: Files of others: the README, hidden ones, what somebody has put there.
    others: list[str]
    #: Files that were put there by `demijohn vendor` and have been changed since.
    edited: list[str]


def write(folder: Path, target: Target, pure: bool, packages: Iterable[Package]) -> None:
    """Write the list of what is in `folder`; the same for the same content."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    content = {
        "about": "Written by demijohn vendor, which replaces the files below, and no others, when it is run again.",
        "python": target.python,
        "platform": target.platform,
        "pure": pure,
        "packages": {package.name: package.version for package in sorted(packages) if package.files},
        "files": {path: _digest(folder / path) for path in sorted(files)},
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """The files that were put there, and a hash of each; none, where `demijohn vendor` has not been at work.

    :raises VendorError: the list cannot be read.
    """
    file = folder / MANIFEST
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VendorError(
            f"{file.name}, the list of what was put into {folder.name}, cannot be read: {error!r}. Nothing was "
            f"changed. Delete what is in {folder.name}, all but README.md, and run this again."
        ) from error


def look(folder: Path) -> Old:
    """What is in the folder that must not be lost."""
    ours = read(folder)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    there = [path for path in paths if not path.endswith(".pyc") and path != MANIFEST]
    edited = [path for path in there if path in ours and _digest(folder / path) != ours[path]]
    return Old([path for path in there if path not in ours], edited)


def keep(old: Old, folder: Path, fresh: Path, replace: bool) -> list[str]:
    """Copy what others have put into `folder` to `fresh`.

    :param replace: where both have a file, the fresh one wins.
    :return: the files that were kept, but for the README and hidden ones.
    :raises NotOursError: something would be lost.
    """
    foreign = [path for path in old.others if os.path.lexists(fresh / path)]
    if (foreign or old.edited) and not replace:
        raise NotOursError(folder.name, old.edited, foreign)
    kept = [path for path in old.others if path not in foreign]
    for path in kept:
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / path, fresh / path, follow_symlinks=False)
    return [path for path in kept if path != "README.md" and path[0] != "."]


def exchange(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`, which may be missing.

    :raises VendorError: it could not be done; `folder` is what it was.
    """
    aside = _aside(folder)
    mode = folder.stat().st_mode & 0o777 if folder.is_dir() else 0o755
    try:
        fresh.chmod(mode)
        if folder.is_dir():
            folder.rename(aside)
        fresh.rename(folder)
    except OSError as error:
        restore(folder)
        raise VendorError(f"{folder} cannot be replaced: {error}. Nothing was changed.") from error
    shutil.rmtree(aside, ignore_errors=True)


def restore(folder: Path) -> None:
    """Undo an exchange that was broken off half way, be it by the end of the process."""
    aside = _aside(folder)
    if aside.is_dir() and not folder.exists():
        with suppress(OSError):
            aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _digest(file: Path) -> str:
    """Enough to see that a file was changed."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else ""
