"""The site, served for its tests."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: Settings of whoever runs the tests, which must not reach the site.
OURS = ("DEMIJOHN_", "DATABASE_URL", "MEMCACHED_URL", "REDIS_URL", "SECRET_KEY", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS")

#: Starts a server. Demijohn's own tests put one here for which nothing can be written but the database.
begin: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(OURS)}, **settings}


@contextlib.contextmanager
def served(**settings: str) -> Iterator[str]:
    """The site under `demijohn run`, on a free port, with these settings only. Its address, without a slash."""
    command = [sys.executable, "-m", "demijohn", "run", "--no-reload", "--port=0"]
    here, environment = Path(__file__).parent, clean_environment(**settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        with (
            path.open("wb") as log,
            begin(command, cwd=here, env=environment, stdout=log, stderr=log) as server,
        ):
            try:
                yield _address(server, path)
            finally:
                server.terminate()
                try:
                    server.wait(60)
                except subprocess.TimeoutExpired:
                    server.kill()  # or the tests would wait for good
                    raise
                print(path.read_text(errors="replace"))  # pytest shows it where the test has failed


def _address(server: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> str:
    """The address that the server says it serves on."""
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        if said := re.search(r"^Demijohn serves .* on (http://\S+)", log.read_text(errors="replace"), re.MULTILINE):
            return said[1]
        time.sleep(0.01)
    pytest.fail("The site does not start. What it said is below.", pytrace=False)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site on nothing but Python: an SQLite file."""
    with served(DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('embedded') / 'test.sqlite'}") as address:
        yield address


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    """The site on `database`, of which conftest.py says where it is."""
    with served(DATABASE_URL=database) as address:
        yield address
