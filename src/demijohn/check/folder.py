"""The site's folder as it would go to a host: which files, and what is in them. Nothing is written, nothing is run."""

from __future__ import annotations

import ast
import difflib
import os
import re
import subprocess
import tokenize
from collections.abc import Iterable, Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path

from demijohn.errors import DemijohnError
from demijohn.rehearsal.stage import LEFT_OUT

#: Folders that no host is sent, and that may be huge. A virtual environment is one only where git does not hold it.
_LEFT_OUT = LEFT_OUT - {".venv", "venv"}
#: Where the packages lie that a site carries along.
CARRIED = "site-packages"


class Unreadable(DemijohnError):
    """A file that is no Python. `line` is 0 where the fault is in none."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Folder:
    """What lies in a site's folder. Paths are relative to it, with slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trees: dict[str, ast.Module | Unreadable] = {}

    @cached_property
    def tracked(self) -> frozenset[str] | None:
        """The files that git holds. None: git does not look after this folder."""
        return self._git("--cached")

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that are the site's: what git holds, or would if it were asked to; without git, what lies there."""
        if self.tracked is None:
            return frozenset(self._walk(""))
        new = self._git("--others", "--exclude-standard") or frozenset()
        return frozenset(name for name in self.tracked | new if os.path.lexists(self.root / name))

    @cached_property
    def carried(self) -> frozenset[str]:
        """The files of the packages in site-packages/, which git leaves out, and an upload does not."""
        found = self._walk(CARRIED + "/") if (self.root / CARRIED).is_dir() else ()
        return frozenset(name for name in found if name != f"{CARRIED}/README.md")

    def goes_along(self, name: str) -> bool:
        """Whether this file leaves the machine: git holds it, or nobody says that it does not."""
        return name in (self.files if self.tracked is None else self.tracked)

    def size(self, name: str) -> int:
        """Bytes; 0 for what is gone meanwhile."""
        try:
            return os.lstat(self.root / name).st_size
        except OSError:
            return 0

    def bytes(self, name: str) -> bytes:
        """What is in a file; nothing where it cannot be read."""
        try:
            path = self.root / name
            return path.read_bytes() if path.is_file() else b""
        except OSError:
            return b""

    def text(self, name: str) -> str:
        return self.bytes(name).decode("utf-8", "replace")

    def tree(self, name: str) -> ast.Module:
        """The syntax tree of a file of Python.

        :raises Unreadable: it is none, or cannot be read.
        """
        if name not in self._trees:
            self._trees[name] = self._parse(name)
        found = self._trees[name]
        if isinstance(found, Unreadable):
            raise found
        return found

    def _parse(self, name: str) -> ast.Module | Unreadable:
        try:
            data = (self.root / name).read_bytes()
            encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
            data.decode(encoding)
            return ast.parse(data, name)
        except OSError as error:
            return Unreadable(f"cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            return Unreadable(f"is not {error.encoding}", 1 + data.count(b"\n", 0, error.start))
        except SyntaxError as error:  # also an encoding that there is not
            return Unreadable(f"is not Python: {error.msg}", error.lineno or 0)
        except (ValueError, RecursionError, MemoryError) as error:  # a null byte; nested too deep
            return Unreadable(f"is not Python: {error or type(error).__name__}")

    def _git(self, *options: str) -> frozenset[str] | None:
        # No hook of the folder's own is run, and the index is not written anew.
        command = ["git", "-c", "core.fsmonitor=false", "ls-files", "-z", *options]
        environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        try:
            done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, check=False)
        except OSError:
            return None
        return None if done.returncode else frozenset(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)

    def _walk(self, prefix: str) -> Iterator[str]:
        """The files below `prefix`. A link to a folder is a file, so that nothing goes round in circles."""
        folders = [prefix]
        while folders:
            prefix = folders.pop()
            try:
                entries = list(os.scandir(self.root / prefix))
            except OSError:
                continue
            if prefix and any(entry.name == "pyvenv.cfg" for entry in entries):
                continue
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield prefix + entry.name
                elif entry.name not in _LEFT_OUT and prefix + entry.name != CARRIED:
                    folders.append(f"{prefix}{entry.name}/")


def line_of(text: str, pattern: str) -> int:
    """The first line of `text` in which `pattern` is found; 0: none."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)), 0)


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that looks most like `name`; empty where none does."""
    return next(iter(difflib.get_close_matches(name, list(names), 1)), "")
