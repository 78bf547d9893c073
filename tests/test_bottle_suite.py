"""A Site without a root is a Bottle, and an app with parts answers as one without: the tests of the installed Bottle
pass with Site in Bottle's place, and with apps that have a part."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import bottle
import pytest

from tests import bottle_suite
from tests.services import missing

NAME = f"bottle-{bottle.__version__}"


@pytest.fixture(scope="module")
def folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bottle's tests, which are in its source distribution only; that is fetched once for each version of Bottle."""
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    archives = cache.mkdir("bottle") if cache else tmp_path_factory.mktemp("archives")
    archive = archives / f"{NAME}.tar.gz"
    if not archive.exists():
        fetch(archive)
    folder = tmp_path_factory.mktemp("bottle")
    with tarfile.open(archive) as source:
        for member in source:
            content = source.extractfile(member)
            if content and member.name.startswith(f"{NAME}/test/"):
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    return folder / NAME


def fetch(archive: Path) -> None:
    """Have pip fetch the source of the installed Bottle."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "bottle"]
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:  # at first aside: another worker may do the same
        command = [*pip, "--dest", folder, f"bottle=={bottle.__version__}"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            missing(f"Bottle's own tests cannot be fetched: {result.stderr.strip()}")
        Path(folder, archive.name).replace(archive)


def outcomes(folder: Path, *names: str) -> dict[str, str]:
    """What becomes of each of Bottle's tests, by its id."""
    # Bottle's tests leave files open and use what Python has deprecated; that is not for us to mend.
    command = [sys.executable, "-W", "ignore", bottle_suite.__file__, str(folder), *names]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stderr
    outcomes: dict[str, str] = json.loads(result.stdout.splitlines()[-1])
    return outcomes


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, str]:
    """What becomes of them as they are."""
    return outcomes(folder)


@pytest.mark.parametrize("names", [["site"], ["bodies"], ["lifetime"], ["site", "bodies", "lifetime"]], ids="+".join)
def test_bottles_own_tests_pass(folder: Path, expected: dict[str, str], names: list[str]) -> None:
    assert len(expected) > 300
    assert set(expected.values()) <= {"passed", "skipped"}
    found = outcomes(folder, *names)
    assert found.keys() == expected.keys()
    changed = [f"{test}: {outcome}" for test, outcome in found.items() if outcome != expected[test]]
    assert not changed, "\n".join(changed)
