"""`demijohn new` from a wheel, in an environment that knows nothing of the repository."""

from __future__ import annotations

import compileall
import importlib.metadata
import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.copies import files, new
from tests.services import missing
from tests.sites import ROOT, clean_environment

#: To hash passwords takes three quarters of the time of a copy's tests, which run here as they are with the true cost.
QUICK = (
    "import hashlib; hashlib.scrypt = (lambda scrypt: lambda *words, **cost: scrypt(*words, **{**cost, 'n': 2}))"
    "(hashlib.scrypt)\n"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from that."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    if "Failed to fetch" in done.stderr or "dns error" in done.stderr:
        missing(f"To build a wheel, hatchling is fetched from the package index: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel in it, and what it and the tests of a copy depend on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python"]
    subprocess.run([*command, str(python), str(wheel)], env=clean_environment(), check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    lend(packages, needed("demijohn", "server") - {"demijohn"} | needed("pytest"))
    (packages / "quick.pth").write_text(QUICK)
    return folder / "bin"


def needed(name: str, *extras: str) -> set[str]:
    """The installed packages that this one needs, and itself."""
    found = {name}
    for line in importlib.metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found |= needed(requirement.name, *requirement.extras)
    return found


def lend(folder: Path, names: set[str]) -> None:
    """Link packages of the environment of the tests, and none that they do not need, into another's folder."""
    for name in names:
        for file in importlib.metadata.files(name) or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(Path(file.locate()).parents[len(file.parts) - 1] / top)


def alone() -> dict[str, str]:
    """Variables that say nothing of where Python might look beside its own packages."""
    return clean_environment(PYTHONPATH="")


def new_by(bin: Path, folder: Path, *words: str) -> Path:
    done = subprocess.run([bin / "demijohn", "new", *words], cwd=folder, env=alone(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / words[0]


@pytest.mark.parametrize("options", [[], ["--bare"]], ids=["guestbook", "bare"])
def test_the_wheel_makes_what_the_repository_makes(options: list[str], bin: Path, tmp_path: Path) -> None:
    for starter in bin.parent.glob("lib/*/site-packages/demijohn/**/app"):
        compileall.compile_dir(starter, quiet=1)  # as pip does
    (tmp_path / "ours").mkdir()
    assert new(tmp_path / "ours", "shop", *options).returncode == 0
    ours, theirs = files(tmp_path / "ours" / "shop"), files(new_by(bin, tmp_path, "shop", *options))
    assert b"--editable" in ours.pop("local.mk")
    assert b".whl" in theirs.pop("local.mk")
    assert theirs == ours


@pytest.mark.parametrize("options", [[], ["--bare"]], ids=["guestbook", "bare"])
def test_the_tests_of_a_copy_pass(options: list[str], bin: Path, tmp_path: Path) -> None:
    """With what the copy depends on, and nothing else that the tests of the repository do."""
    make = ["make", "test", f"BIN={bin}"]
    copy = new_by(bin, tmp_path, "Mein Café & Bär", *options)
    done = subprocess.run(make, cwd=copy, env=alone(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert " passed" in done.stdout
    assert not (copy / ".venv").exists()


@pytest.mark.parametrize(
    ("noted", "named"),
    [
        (None, "demijohn[server]~=0.1.0"),
        (
            {"url": "https://example.org/d.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            "demijohn[server] @ git+https://example.org/d.git@c0ffee",
        ),
        (
            {"url": "https://example.org/d.zip", "archive_info": {}, "subdirectory": "python"},
            "demijohn[server] @ https://example.org/d.zip#subdirectory=python",
        ),
        ({"url": "file:///is/gone.whl", "archive_info": {}}, "demijohn[server]~=0.1.0"),
    ],
    ids=["index", "git", "archive", "a file that is gone"],
)
def test_what_every_machine_can_install_is_named_in_pyproject(
    noted: dict[str, object] | None, named: str, bin: Path, tmp_path: Path
) -> None:
    (file,) = bin.parent.glob("lib/*/site-packages/demijohn-*.dist-info/direct_url.json")
    before = file.read_text()
    try:
        file.write_text(json.dumps(noted)) if noted else file.unlink()
        copy = new_by(bin, tmp_path, "shop", "--bare")
    finally:
        file.write_text(before)
    assert f'dependencies = [\n    "{named}",\n]' in (copy / "pyproject.toml").read_text()
    assert not (copy / "local.mk").exists()
    assert "local.mk" not in (copy / "README.md").read_text()


def test_a_wheel_that_was_installed_in_part_says_so(bin: Path, tmp_path: Path) -> None:
    (starter,) = bin.parent.glob("lib/*/site-packages/demijohn/starter")
    aside = starter.rename(starter.with_name("aside"))
    try:
        done = subprocess.run(
            [bin / "demijohn", "new", "shop"], cwd=tmp_path, env=alone(), capture_output=True, text=True
        )
    finally:
        aside.rename(starter)
    assert done.returncode == 1
    assert "This Demijohn has no site to make a copy of" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_source_archive_holds_what_the_build_reads(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"hatch_build.py", "index.wsgi", "site-packages/README.md", "tests/site/serving.py"} <= names
    assert not [name for name in names if name.startswith("site-packages/") and name != "site-packages/README.md"]
