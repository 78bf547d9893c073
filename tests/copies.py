"""Sites that `demijohn new` makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.ready import demijohn_run
from tests.sites import clean_environment

NEW = [sys.executable, "-m", "demijohn", "new"]


def new(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return demijohn_run("new", *words, folder=folder, environment=clean_environment())


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
