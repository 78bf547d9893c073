"""Files for a host, written beside those of the site."""

from __future__ import annotations

import difflib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from demijohn.deploy.errors import CannotWriteError, InTheWayError


class File(NamedTuple):
    """A file that a host wants."""

    #: Relative to the site's folder, with slashes.
    path: str
    text: str
    #: What is there now; None where nothing is.
    old: str | None

    @property
    def state(self) -> str:
        """`new`, `same` or `differs`."""
        if self.old is None:
            return "new"
        # git may have given the lines other ends on this machine.
        return "same" if self.old.replace("\r\n", "\n") == self.text else "differs"

    def diff(self) -> str:
        """What would change, as `diff -u` shows it."""
        lines = difflib.unified_diff(
            (self.old or "").replace("\r\n", "\n").splitlines(keepends=True),
            self.text.splitlines(keepends=True),
            f"{self.path} (as it is)" if self.old is not None else "nothing",
            f"{self.path} (as the host wants it)",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def compare(root: Path, files: Mapping[str, str]) -> list[File]:
    """What a host wants beside what is there, in the host's order.

    :param files: path to text.
    :raises InTheWayError: a link, a folder or the like is where a file is to be, or a path leads out of the site.
    """
    return [File(path, text, _read(root, path)) for path, text in files.items()]


def write(root: Path, file: File) -> None:
    """Write the file: all of it or nothing. One that was there keeps its permissions.

    :raises CannotWriteError: the folder or the file cannot be written.
    """
    path = root / file.path
    # Beside it, for only within a folder is a file sure to be moved in one step; and not by `tempfile`, which lets
    # nobody else read what it makes.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(file.text, encoding="utf-8", newline="\n")
            if file.old is not None:
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWriteError(file.path, error.strerror or str(error)) from None


def _read(root: Path, name: str) -> str | None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise InTheWayError(f"The host's profile names the file {name!r}, which is not within the site's folder.")
    path = root
    for part in parts:
        path = path / part
        shown = path.relative_to(root).as_posix()
        if path.is_symlink():
            raise InTheWayError(
                f"{shown} is a link, to {os.readlink(path)}. What it leads to is not changed from here: put a "
                "file in its place, or remove it."
            )
        if part is not parts[-1] and path.exists() and not path.is_dir():
            raise InTheWayError(f"{shown} is a file, and the host wants a folder of that name. Move it away.")
    if path.is_dir():
        raise InTheWayError(f"{name} is a folder, and the host wants a file of that name. Move it away.")
    if not path.exists():
        return None
    if not path.is_file():
        raise InTheWayError(f"{name} is neither a file nor a folder. Move it away.")
    try:
        # Bytes that are no UTF-8 make a file that differs, not an error.
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InTheWayError(f"{name} cannot be read: {error.strerror}.") from None
