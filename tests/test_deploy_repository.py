"""This repository, as `git push heroku` takes it: what Heroku's buildpack asks of it, and that its Procfile serves the
site from nothing but what requirements.txt names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import SECRET, Instance, copied, run, visited
from tests.readonly import SHM
from tests.services import missing
from tests.sites import ROOT, clean_environment

#: Any of these makes the buildpack take the folder for a Python app (bin/detect of heroku-buildpack-python).
DETECTED = (".python-version", "requirements.txt", "main.py", "pyproject.toml")
PACKAGE_MANAGERS = ("Pipfile.lock", "requirements.txt", "poetry.lock", "uv.lock")
HASHED = re.compile(r"[a-z0-9-]+==[\w.]+( ; [^\\]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git holds, or will once it is added."""
    return copied(tmp_path_factory.mktemp("pushed") / "site")


def _for_this_python() -> None:
    """Go on where the versions in requirements.txt are for this Python."""
    (oldest,) = re.findall(r"^# For Python 3\.(\d+) and newer:$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    if sys.version_info < (3, int(oldest)):
        pytest.skip(f"requirements.txt is for Python 3.{oldest} and newer.")


@pytest.fixture(scope="module")
def packages(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with what requirements.txt names, and no more."""
    _for_this_python()
    folder = tmp_path_factory.mktemp("packages") / "venv"
    uv = [sys.executable, "-m", "uv", "--no-config"]
    python = str(folder / "bin" / "python")
    for command in (
        [*uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [
            *uv,
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "-r",
            str(pushed / "requirements.txt"),
            "--python",
            python,
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"The packages of requirements.txt cannot be had: {done.stderr}")
    return folder


def test_the_buildpack_takes_it(pushed: Path) -> None:
    assert all((pushed / name).is_file() for name in DETECTED)
    assert [name for name in PACKAGE_MANAGERS if (pushed / name).exists()] == ["requirements.txt"]
    assert not (pushed / "runtime.txt").exists()
    assert not list(pushed.rglob("pyvenv.cfg")), "the build ends where a virtual environment is pushed"
    assert re.fullmatch(r"3\.\d+\n", (pushed / ".python-version").read_text())


def test_deploy_has_written_its_files(pushed: Path) -> None:
    command = [sys.executable, "-m", "demijohn", "deploy", "heroku", "--check"]
    done = subprocess.run(command, cwd=pushed, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((pushed / "app.json").read_text())["env"]["SECRET_KEY"]["generator"] == "secret"


def test_each_line_of_requirements_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).lstrip("\n")
    assert HASHED.sub("", lines) == ""
    assert "://" not in text
    assert "--index" not in text


def test_pip_takes_the_hashes() -> None:
    _for_this_python()
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--require-hashes",
        "--no-deps",
        "--ignore-installed",
    ]
    command += ["--quiet", "-r", str(ROOT / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"NewConnectionError|ProxyError|No matching distribution", done.stderr):
        missing(f"The packages of requirements.txt cannot be had: {done.stderr}")
    assert done.returncode == 0, done.stderr


def test_a_clean_clone_is_released_and_serves(pushed: Path, packages: Path, postgresql_url: str) -> None:
    """With the Procfile's own commands, by Python and packages of its own; Demijohn lies in src/."""
    honcho = f"{sys.executable} -m honcho start"
    variables = {
        "DYNO": "web.1",
        "DATABASE_URL": re.sub(r"^postgresql\+?\w*:", "postgres:", postgresql_url),
        "DEMIJOHN_DATABASE_TLS": "off",  # the test's own server speaks none
        "SECRET_KEY": SECRET,
        "PYTHONPATH": str(pushed),
        "WEB_CONCURRENCY": "2",
        "PATH": os.pathsep.join([str(packages / "bin"), "/usr/bin", "/bin"]),
    }
    assert "Made " in run(f"{honcho} release", {**variables, "DYNO": "release.1"}, pushed)
    with Instance(f"exec {honcho} web", variables, pushed, writable=[SHM]) as dyno:  # honcho's
        visited(dyno.url)
        assert "method=GET path=/ " in dyno.said()
        assert {Path(f"/proc/{process}/exe").resolve() for process in dyno.processes()}
        commands = [Path(f"/proc/{process}/cmdline").read_text() for process in dyno.processes()]
    assert sum(str(packages) in command for command in commands) == 3, "one that minds two"
