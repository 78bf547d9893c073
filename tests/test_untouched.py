"""What Demijohn writes to disk is seen: here by lines that are taken for Demijohn's."""

from __future__ import annotations

import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import bottle
import pytest

import demijohn
from demijohn import Site
from tests.client import Client
from tests.readonly import Sealed
from tests.sites import ROOT, clean_environment
from tests.untouched import judge, written

HOME = Path(demijohn.__file__).parent
LINES = {
    "a file": "open(new, 'x').close()",
    "more of a file": "there.open('ab').close()",
    "a file by its descriptor": "os.close(os.open(new, os.O_CREAT | os.O_RDWR))",
    "a folder": "os.mkdir(new)",
    "a folder that is there": "folder.mkdir(exist_ok=True)",
    "a link": "new.symlink_to(there)",
    "another name": "os.replace(there, new)",
    "no file any more": "os.remove(there)",
    "no folder any more": "shutil.rmtree(folder)",
    "a log": "logging.FileHandler(new).close()",
    "a temporary file": "tempfile.TemporaryFile().close()",
    "a temporary folder": "tempfile.TemporaryDirectory().cleanup()",
}
NO_LINES = {
    "what is read": "open(there).close(); os.listdir(folder)",
    "memory": "os.close(os.memfd_create('x')); tempfile.SpooledTemporaryFile().close()",
    "nowhere": "open(os.devnull, 'w').close()",
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str, Path], list[str]]:
    """What is found to be written when a file has this line."""
    names = {"os": os, "shutil": shutil, "tempfile": tempfile, "logging": logging}
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "there").touch()

    def run(line: str, file: Path) -> list[str]:
        paths = {"folder": folder, "there": folder / "there", "new": folder / "new"}
        exec(compile(line, file, "exec"), {**names, **paths})  # noqa: S102
        found, written[:] = written[:], []
        return found

    return run


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_whatever_writes_is_seen(run: Callable[[str, Path], list[str]], line: str) -> None:
    found = run(line, HOME / "site" / "planted.py")
    assert found
    assert found[0].startswith(f"{HOME / 'site' / 'planted.py'}:1 ")


@pytest.mark.parametrize("line", NO_LINES.values(), ids=NO_LINES)
def test_nothing_else_is(run: Callable[[str, Path], list[str]], line: str) -> None:
    assert run(line, HOME / "site" / "planted.py") == []


@pytest.mark.parametrize(
    ("file", "seen"),
    [
        (HOME / "sessions" / "planted.py", True),
        (HOME / "hosts" / "planted.py", True),
        (HOME / "files" / "stores" / "planted.py", True),
        (ROOT / "app" / "planted.py", True),
        (HOME / "cli" / "planted.py", False),
        (HOME / "files" / "stores" / "disk.py", False),
        (ROOT / "tests" / "planted.py", False),
    ],
)
def test_who_writes_decides(run: Callable[[str, Path], list[str]], file: Path, seen: bool) -> None:
    assert bool(run(LINES["a file"], file)) is seen


def test_a_library_writes_for_whoever_has_called_it_and_a_handler_for_itself(tmp_path: Path) -> None:
    def save() -> str:
        (tmp_path / "by-the-handler").touch()
        return "saved"

    site = Site()
    site.get("/", callback=save)
    assert Client(site).get("/").text == "saved"
    assert written == []
    upload = bottle.FileUpload(io.BytesIO(b"content"), "a", "a.txt")
    line = compile("upload.save(folder)", HOME / "bodies" / "planted.py", "exec")
    exec(line, {"upload": upload, "folder": str(tmp_path)})  # noqa: S102
    with pytest.raises(AssertionError, match=r"(?s)Demijohn writes to disk.*bodies/planted\.py:1 open .*a\.txt"):
        judge()
    assert written == []


def test_a_site_that_could_write_is_seen_before_it_runs() -> None:
    command = [sys.executable, "-m", "gunicorn", "--check-config", "main:app"]
    with Sealed(command, cwd=ROOT, env=clean_environment()) as process:
        process.wait()
    assert written == []
    with subprocess.Popen([*command, "no-such-module:app"], stderr=subprocess.DEVNULL):
        pass
    with pytest.raises(AssertionError, match=r"perhaps: .*no-such-module:app"):
        judge()
