"""Puts a new site where it is to be: all of it, or nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from demijohn.deploy.starter.errors import NewSiteError, OccupiedError, SiteNameError

#: What may lie in a folder that a new site is put into: a repository that has just been made.
WELCOME = {".git"}


def site_name(title: str) -> str:
    """What hosts and packages call a site of this name: small letters from a to z, digits and hyphens.

    :raises SiteNameError: nothing is left to call it by, or it cannot be shown.
    """
    if not title.isprintable():
        raise SiteNameError(title, "it holds a character that cannot be seen.")
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not re.search("[a-z]", name):
        raise SiteNameError(title, "hosts and packages want a name with a letter from a to z.")
    return name


def check_place(target: Path) -> None:
    """Whether a new site can be made at `target`, an absolute path.

    :raises OccupiedError: something is there.
    :raises NewSiteError: there is no folder to make it in.
    """
    with _told(target):
        if target.is_symlink() and not target.exists():
            raise OccupiedError(target, "is a link that leads nowhere")
        if target.exists() and not target.is_dir():
            raise OccupiedError(target, "is a file")
        if not target.parent.is_dir():
            raise NewSiteError(f"There is no folder {target.parent} to make {target.name} in. Make that first.")
        found = sorted(set(os.listdir(target)) - WELCOME) if target.exists() else []
    if found:
        raise OccupiedError(target, f"is there already, with {found[0]}{' and more' if found[1:] else ''} in it")


def put(target: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder `target` with these files. Meanwhile they lie beside it, or, if it is there, hidden in it.

    :raises NewSiteError: it cannot be written. Nothing is left of it.
    """
    there = target.is_dir()
    with _told(target), _workshop(target if there else target.parent) as workshop:
        made = workshop / "site"
        for path, content in files.items():
            file = made / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if there:  # it may be somebody's working directory, which stays the same folder
            for child in sorted(made.iterdir()):
                child.rename(target / child.name)
        else:
            made.rename(target)


@contextlib.contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    workshop = Path(tempfile.mkdtemp(prefix=".demijohn-new-", dir=folder))
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    """Errors of the disk, in a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise NewSiteError(f"{target} cannot be made: {reason}. Nothing of it was left there.") from error
