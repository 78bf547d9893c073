"""Sites that `demijohn new` makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.sites import clean_environment

NEW = [sys.executable, "-m", "demijohn", "new"]


def new(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NEW, *words], cwd=folder, env=clean_environment(), capture_output=True, text=True)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
