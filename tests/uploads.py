"""The site tests.apps.uploads, served by a server that is given what it needs."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import ROOT, Server, serving
from tests.services.process import room
from tests.sites import clean_environment

APP = "tests.apps.uploads:app"


def settings(folder: Path) -> dict[str, str]:
    """For a database and files in `folder`."""
    return {
        "DEMIJOHN_ENV": "production",
        "SECRET_KEY": "x" * 32,
        "DATABASE_URL": f"sqlite:///{folder / 'data.sqlite'}",
        "UPLOADS": str(folder / "files"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
    }


@contextmanager
def uploads(server: str, folder: Path, *options: str, **more: str) -> Iterator[Server]:
    """The site with its tables, under one of SERVERS.

    :param more: further variables.
    """
    (folder / "files").mkdir()
    shutil.copy(_database(), folder / "data.sqlite")
    with serving(server, APP, *options, env={**settings(folder), **more}) as running:
        yield running


@functools.cache
def _database() -> Path:
    folder = room() / "uploads"
    folder.mkdir()
    make = "from tests.apps.uploads import app; app.create_tables()"
    subprocess.run([sys.executable, "-c", make], cwd=ROOT, env=clean_environment(**settings(folder)), check=True)
    return folder / "data.sqlite"
