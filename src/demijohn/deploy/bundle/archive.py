"""Makes a tree of files the same whenever and wherever it is made, and packs it."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path

#: 1980-01-01, the first day that zip knows; in seconds, UTC.
EPOCH = 315532800
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_UNIX = 3  # APPNOTE 4.4.2.2


def copy(source: Path, target: Path) -> None:
    """Copy a file's content, and whether its owner may run it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)


def settle(tree: Path, apart: str) -> None:
    """Give everything in `tree` the same time, and no rights but the usual ones.

    :param apart: a folder of which no file is to be run: how packages are unpacked differs from tool to tool.
    """
    for path in sorted(tree.rglob("*"), reverse=True):  # a folder's time changes with what is in it
        may_run = path.relative_to(tree).parts[0] != apart and path.stat().st_mode & stat.S_IXUSR
        runs = path.is_dir() or may_run
        path.chmod(0o755 if runs else 0o644)
        os.utime(path, (EPOCH, EPOCH))
    tree.chmod(0o755)
    os.utime(tree, (EPOCH, EPOCH))


def pack(tree: Path, target: Path) -> None:
    """Pack a tree that is settled."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.create_system = _UNIX
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (tree / name).stat().st_mode << 16
            archive.writestr(entry, (tree / name).read_bytes())
