"""`demijohn bundle` and its place: what lies there is replaced, kept or refused, and never half of it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.deploy.bundle import make
from demijohn.deploy.bundle.errors import BundleError
from tests.bundles import files_in, put, small_site
from tests.services import PATIENCE, until
from tests.sites import clean_environment


def test_what_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site")
    mine = put(tmp_path / "out", "mine.txt", "x")
    with pytest.raises(BundleError, match="is there already, and is no bundle"):
        make(site, hosts.find("vm"), mine.parent, environ={})
    assert mine.read_text() == "x"


def test_what_came_into_a_bundle_afterwards_is_not_lost(tmp_path: Path) -> None:
    site, out = small_site(tmp_path / "site", static__a_css="a {}"), tmp_path / "out"
    make(site, hosts.find("vm"), out, environ={})
    put(out, ".git/HEAD", "ref: refs/heads/main")
    put(out, "static/a.css", "b {}")
    put(out, "__pycache__/index.cpython-310.pyc", "Python's own")
    with pytest.raises(BundleError, match=r"holds what would be lost: \.git/HEAD, static/a\.css came, or changed"):
        make(site, hosts.find("vm"), out, environ={})
    assert (out / "static/a.css").read_text() == "b {}"
    shutil.rmtree(out / ".git")
    put(out, "static/a.css", "a {}")
    make(site, hosts.find("vm"), out, environ={})


def test_a_zip_file_takes_the_place_of_a_bundle_only_and_is_not_bundled_itself(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", notes_txt="mine")
    with pytest.raises(BundleError, match=r"notes\.txt is there already, and is no bundle"):
        make(site, hosts.find("vm"), site / "notes.txt", zip=True, environ={})
    releases = {make(site, hosts.find("vm"), site / name, zip=True, environ={}).release for name in ("a.zip", "a.zip")}
    with zipfile.ZipFile(site / "a.zip") as packed:
        assert packed.testzip() is None
        assert "a.zip" not in packed.namelist()
    assert len(releases) == 1


def test_where_the_new_bundle_cannot_be_put_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, out = small_site(tmp_path / "site", app__page_py=""), tmp_path / "out"
    make(site, hosts.find("vm"), out, environ={})
    before, rename = files_in(out), Path.rename
    put(site, "app/more.py")

    def fail_once(path: Path, to: Path) -> Path:
        if path.name == "bundle":
            raise OSError(5, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(BundleError, match="could not be written"):
        make(site, hosts.find("vm"), out, environ={})
    assert files_in(out) == before


@pytest.mark.parametrize("large", ["app/large.py", "static/large.bin"])
def test_on_a_full_disk_nothing_is_left(tmp_path: Path, large: str) -> None:
    """What is full here is the size that a file may have. Byte code is larger than its source."""
    site = small_site(tmp_path / "site")
    text = "def f(a, b): return a.x + b.y\n" * 1000
    put(site, large, text if large.endswith("py") else text * 2)
    limit = len(text) + 500
    done = subprocess.run(
        [sys.executable, "-m", "demijohn", "bundle", "vm", "--root", str(site), "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=clean_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done.stdout
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["site"]


def test_who_breaks_off_finds_the_old_bundle_and_nothing_else(tmp_path: Path) -> None:
    site, out = small_site(tmp_path / "site"), tmp_path / "out"
    make(site, hosts.find("vm"), out, environ={})
    before = files_in(out)
    put(site, "views/page.html", "x")
    put(site, "index.wsgi", "import time\nprint('here', flush=True)\ntime.sleep(60)\n")  # loaded for its templates
    command = [sys.executable, "-m", "demijohn", "bundle", "vm", "--root", str(site), "--output", str(out)]
    with subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, text=True) as process:
        until(lambda: len(os.listdir(tmp_path)) > 2, "the command is at work")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    assert process.returncode == 130
    assert sorted(os.listdir(tmp_path)) == ["out", "site"]
    assert files_in(out) == before


def test_an_older_bundle_is_replaced_whole(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", app__old_py="")
    make(site, hosts.find("vm"), tmp_path / "out", environ={})
    (site / "app" / "old.py").rename(site / "app" / "new.py")
    made = make(site, hosts.find("vm"), tmp_path / "out", environ={})
    assert {name for name in files_in(tmp_path / "out") if name.endswith(".py")} == {
        "app/new.py",
        "src/demijohn/__init__.py",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "site"]
    assert made.release != make(small_site(tmp_path / "b"), hosts.find("vm"), tmp_path / "o", environ={}).release
