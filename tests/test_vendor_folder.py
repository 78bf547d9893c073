"""`demijohn vendor` and what is in site-packages/ already: replaced, kept, refused, and never half of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demijohn.deploy import vendor
from demijohn.deploy.vendor.errors import EngineError, EngineMissingError, NotOursError, VendorError
from demijohn.deploy.vendor.target import running
from demijohn.deploy.vendor.wanted import needed
from tests.services import HOST, free_port
from tests.wheels import write_wheel

Fill = Callable[..., vendor.Report]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose site-packages/ has been filled once, and a folder of wheels beside it."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "wheels").mkdir()
    for name in [*needed(), "pylibmc", "one", "two"]:
        write_wheel(folder / "wheels", name, "2", {f"{name}_.py": "", f"{name}_x/__init__.py": ""})
    site = folder / "site"
    (site / "site-packages").mkdir(parents=True)
    (site / "site-packages" / "README.md").write_text("stays\n")
    # What comes along with Demijohn is not asked for in these tests, only that it is there.
    (site / "requirements.txt").write_text("\n".join(["one", "two"]))
    return folder


@pytest.fixture
def site(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(filled, tmp_path / "there")
    monkeypatch.setattr("demijohn.deploy.vendor.wanted._needs", lambda *_: list(needed()))
    # Demijohn is large, and whether it comes along is asked elsewhere.
    monkeypatch.setattr("demijohn.deploy.vendor.own.copy", lambda _folder: None)
    return tmp_path / "there" / "site"


@pytest.fixture
def fill(site: Path) -> Fill:
    def fill(*packages: str, **options: object) -> vendor.Report:
        settings: dict[str, object] = {"find_links": [str(site.parent / "wheels")], "index": False, **options}
        (site / "requirements.txt").write_text("\n".join([*packages, ""]))
        return vendor.fill(site, site / "site-packages", running(), **settings)  # type: ignore[arg-type]

    return fill


def names(site: Path) -> set[str]:
    """What lies in site-packages/, one level deep, but for what Demijohn needs; and beside it, if anything does."""
    others = {"config.yaml", "requirements.txt", "site-packages"}
    ours = tuple(name.replace("-", "_") for name in needed())
    inside = {path.name for path in (site / "site-packages").iterdir() if not path.name.startswith(ours)}
    return inside | {path.name for path in site.iterdir() if path.name not in others}


ONE = {"one-2.dist-info", "one_.py", "one_x"}
TWO = {"two-2.dist-info", "two_.py", "two_x"}
ALWAYS = {"README.md", "vendored.json"}


def test_a_second_run_takes_away_what_the_first_has_put_and_nothing_else(site: Path, fill: Fill) -> None:
    fill("one", "two")
    assert names(site) == ALWAYS | ONE | TWO
    folder = site / "site-packages"
    (folder / "mine").mkdir()
    (folder / "mine" / "__init__.py").write_text("mine = True\n")
    (folder / "two_x" / "added.py").write_text("")
    (folder / "one_x" / "__init__.pyc").write_text("")  # Python's, and of no use afterwards
    (folder / ".hidden").write_text("")
    folder.chmod(0o750)
    report = fill("one")
    assert names(site) == ALWAYS | ONE | {"mine", ".hidden", "two_x"}
    assert (folder / "mine" / "__init__.py").read_text() == "mine = True\n"
    assert sorted(path.name for path in (folder / "two_x").iterdir()) == ["added.py"]
    assert [path.name for path in (folder / "one_x").iterdir()] == ["__init__.py"]
    assert report.kept == ("mine/__init__.py", "two_x/added.py")
    assert folder.stat().st_mode & 0o777 == 0o750


def test_what_was_changed_by_hand_is_not_lost(site: Path, fill: Fill) -> None:
    fill("one")
    patched = site / "site-packages" / "one_.py"
    patched.write_text("patched = True\n")
    with pytest.raises(NotOursError, match=r"(?s)one_\.py: changed since they were put there.*--replace") as raised:
        fill("two")
    assert raised.value.edited == ["one_.py"]
    assert patched.read_text() == "patched = True\n"
    assert names(site) == ALWAYS | ONE
    fill("two", replace=True)
    assert names(site) == ALWAYS | TWO


def test_files_of_others_are_not_overwritten(site: Path, fill: Fill) -> None:
    own = site / "site-packages" / "one_.py"
    own.write_text("own = True\n")
    with pytest.raises(NotOursError, match=r"one_\.py: not from demijohn vendor") as raised:
        fill("one")
    assert raised.value.foreign == ["one_.py"]
    assert names(site) == {"README.md", "one_.py"}
    fill("one", replace=True)
    assert own.read_text() == ""


def test_a_dry_run_changes_nothing(site: Path, fill: Fill) -> None:
    assert {package.name for package in fill("one", dry_run=True).packages} == {"one", *needed()}
    assert names(site) == {"README.md"}


def test_a_missing_folder_is_made_and_a_link_stays_one(site: Path, fill: Fill) -> None:
    folder = site / "site-packages"
    folder.rename(site.parent / "elsewhere")
    folder.symlink_to(site.parent / "elsewhere")
    fill("one")
    assert folder.is_symlink()
    assert names(site) == ALWAYS | ONE
    folder.unlink()
    fill("one")
    assert names(site) == {"vendored.json"} | ONE


@pytest.mark.parametrize("engine", ["uv", "pip"])
def test_without_the_network_nothing_is_changed(
    engine: str, site: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("one")
    nobody = f"http://{HOST}:{free_port()}/simple"
    settings = {"UV_DEFAULT_INDEX": nobody, "PIP_INDEX_URL": nobody, "UV_HTTP_RETRIES": "0", "PIP_EXTRA_INDEX_URL": ""}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EngineError, match="the network, or the index, did not answer") as raised:
        fill("two", "nowhere-to-be-found", index=True, engine=engine)
    assert "--find-links FOLDER --no-index" in str(raised.value)
    assert names(site) == ALWAYS | ONE


def test_what_a_killed_run_has_left_is_put_in_order(site: Path, fill: Fill) -> None:
    fill("one")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (site / f".site-packages.{child.pid}" / "fresh").mkdir(parents=True)
    (site / f".site-packages.{os.getppid()}").mkdir()  # somebody else is at work
    (site / "site-packages").rename(site / ".site-packages.old")  # killed between two steps
    with pytest.raises(EngineError):
        fill("no-such-package")
    assert names(site) == ALWAYS | ONE | {f".site-packages.{os.getppid()}"}


def test_where_the_new_folder_cannot_be_put_the_old_one_stays(
    site: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("one")
    rename = Path.rename

    def fail_once(path: Path, to: Path) -> Path:
        if path.name == "fresh":
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(VendorError, match=r"cannot be replaced.*No space left.*Nothing was changed"):
        fill("two")
    assert names(site) == ALWAYS | ONE


def test_a_list_that_cannot_be_read(site: Path, fill: Fill) -> None:
    (site / "site-packages" / "vendored.json").write_text("{")
    with pytest.raises(VendorError, match=r"vendored\.json, the list of what was put into site-packages, cannot be"):
        fill("one")


@pytest.mark.parametrize(("engine", "cure"), [("uv", "pip install uv"), ("pip", "ensurepip"), (None, "pip install uv")])
def test_without_an_engine(engine: str | None, cure: str, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineMissingError, match=cure):
        fill("one", engine=engine)
