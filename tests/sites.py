"""The site of this repository, served for a test."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.readonly import Sealed
from tests.services import HOST, PATIENCE, free_port, until
from tests.site.serving import OURS as OURS
from tests.site.serving import clean_environment as clean_environment

ROOT = Path(__file__).parents[1]
#: The site as it runs when nothing else is said: Bottle's neighbour wsgiref, SQLite, sessions in a table.
EMBEDDED = [sys.executable, "-m", "demijohn", "run", "--no-reload"]


@contextlib.contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], folder: Path = ROOT, writable: Sequence[Path] = ()
) -> Iterator[str]:
    """Run a server that takes its port from the environment. The address at which it answers, without a slash.

    :param writable: see `tests.readonly.sealed`.
    """
    port = free_port()
    address = f"http://{HOST}:{port}"
    environment = clean_environment(**settings, PORT=str(port))
    with (
        tempfile.TemporaryFile() as log,
        Sealed(command, cwd=folder, env=environment, writable=writable, stdout=log, stderr=log) as server,
    ):
        try:
            until(lambda: server.poll() is not None or answers(address), "The site does not answer.")
            if server.poll() is not None:
                pytest.fail("The site ended as it started. What it said is below.", pytrace=False)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
            finally:
                log.seek(0)
                print(log.read().decode(errors="replace"))  # pytest shows it where the test has failed


def answers(address: str) -> bool:
    """Whether a site is served at this address."""
    try:
        with urllib.request.urlopen(address + "/static/robots.txt", timeout=5):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
