"""`demijohn vendor`, with packages of the tests' own and no network: what is carried, for whom, what it says."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from demijohn.cli.vendor import arguments
from demijohn.deploy.vendor import known, own
from demijohn.deploy.vendor.errors import TooLargeError, VendorError
from demijohn.deploy.vendor.target import make_target, running
from demijohn.hosts import Host, Limits
from tests.carried import OTHER, OURS, Place, find
from tests.carried import place as place
from tests.carried import wheels as wheels
from tests.wheels import digest, write_wheel

# What is carried


def test_what_nothing_imports_is_left_out(place: Place) -> None:
    (place.target / ".keep").touch()
    report = place.fill()
    carried = place.carried()
    assert {path for path in carried if path.startswith(("plain", "tests", "bin"))} == {
        "plain/__init__.py",
        "plain/data.py",
        "plain/testing/__init__.py",  # imported
        "plain/lazy/__init__.py",
        "plain/lazy/testing/__init__.py",  # named by a text
        "plain/table.h",  # read by its name
        "plain/py.typed",
        "plain-1.2.dist-info/METADATA",
        "plain-1.2.dist-info/WHEEL",
        "plain-1.2.dist-info/entry_points.txt",
        "plain-1.2.dist-info/licenses/LICENSE",
    }
    assert {"README.md", ".keep", "vendored.json"} <= carried
    assert (place.target / "README.md").read_text() == "stays\n"
    assert not report.kept
    plain = find(report, "plain")
    assert plain.files == 11
    with zipfile.ZipFile(place.wheels / "plain-1.2-py3-none-any.whl") as wheel:  # beside what the installer writes
        assert plain.files_before >= len(wheel.namelist())
        assert plain.size_before >= sum(member.file_size for member in wheel.infolist())
    assert plain.size == sum((place.target / path).stat().st_size for path in carried if path.startswith("plain"))
    assert report.files == len([path for path in place.target.rglob("*") if path.is_file()]) - 3


def test_tests_are_kept_where_that_is_asked_for(place: Place) -> None:
    place.fill(keep_tests=True)
    assert {"plain/tests/test_all.py", "tests/test_beside.py"} <= place.carried()


def test_what_the_site_imports_is_not_left_out(place: Place) -> None:
    (place.root / "app.py").write_text("from plain import (\n    data,\n    tests,  # as examples\n)\n")
    place.fill()
    assert "plain/tests/test_all.py" in place.carried()
    assert "tests/test_beside.py" not in place.carried()


def test_what_a_package_cannot_be_imported_without_is_given_back(place: Place) -> None:
    trick = "__import__('trick.' + 'te' + 'sts')\n"
    folder = place.root.parent / "more"
    folder.mkdir()
    write_wheel(folder, "trick", "1", {"trick/__init__.py": trick, "trick/tests/__init__.py": "", "trick/x.c": ""})
    place.needs("trick")
    report = place.fill(find_links=[str(place.wheels), str(folder)])
    assert "trick/tests/__init__.py" in place.carried()
    assert "trick/x.c" not in place.carried()
    assert "without which it cannot be imported" in find(report, "trick").notes[0]


def test_what_is_copied_of_demijohn_does_not_say_where_it_was(tmp_path: Path) -> None:
    own.copy(tmp_path)  # which others use by itself
    assert (tmp_path / "demijohn" / "cli" / "vendor.py").is_file()
    assert not [path for path in tmp_path.rglob("*") if path.name in ("direct_url.json", "INSTALLER", "__pycache__")]


def test_demijohn_comes_along_from_where_it_is_imported(place: Place) -> None:
    report = place.fill()
    assert find(report, "demijohn").origin == "folder"
    assert (place.target / "demijohn" / "__init__.py").read_text() == "small = True\n"
    ask = (
        "import sys; sys.path.insert(0, sys.argv[1]); from importlib import metadata as m; print(m.version('demijohn'))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-I", "-c", ask, str(place.target)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == find(report, "demijohn").version
    assert not [path for path in place.target.rglob("*") if path.suffix == ".pyc" or path.name == "direct_url.json"]


@pytest.mark.parametrize("engine", ["uv", "pip"])
def test_the_markers_of_requirements_are_those_of_the_other_python(engine: str, place: Place) -> None:
    place.needs("plain")
    is_old = running() >= "3.13"  # what this Python would not take
    names = {package.name for package in place.fill("3.12" if is_old else "3.13", engine=engine).packages}
    assert ("by-version-old" in names, "by-version-new" in names) == (is_old, not is_old)


def test_uv_and_pip_make_the_same_folder(place: Place) -> None:
    trees = []
    for engine in ("uv", "pip"):
        assert place.fill(engine=engine).engine.startswith(engine + " ")
        trees.append(place.files())
    assert trees[0] == trees[1]


def test_the_requirements_of_pyproject_toml(place: Place) -> None:
    (place.root / "requirements.txt").unlink()
    (place.root / "pyproject.toml").write_text('[project]\nname = "a"\ndependencies = ["demijohn", "by-version-new"]\n')
    names = {package.name for package in place.fill(packages=["by-version-old"]).packages}
    assert {"by-version-new", "by-version-old", "demijohn", *OURS} <= names
    assert "plain" not in names


def test_without_either_it_is_what_demijohn_needs(place: Place) -> None:
    (place.root / "requirements.txt").unlink()
    names = {package.name for package in place.fill(OTHER).packages}
    assert names - {"pylibmc"} == {"demijohn", *OURS}


def test_requirements_that_include_others(place: Place) -> None:
    (place.root / "more.txt").write_text("by-version-old \\\n  ==1  # the last\n")
    (place.root / "requirements.txt").write_text("\n".join([*OURS, "-r more.txt"]))
    assert find(place.fill(), "by-version-old").version == "1"


def test_what_demijohn_cannot_do_without_is_missed(place: Place) -> None:
    file = place.wheels / "by_version_old-1-py3-none-any.whl"
    (place.root / "requirements.txt").write_text(f"by-version-old==1 --hash={digest(file)}\n")
    with pytest.raises(VendorError, match=r"does not run without .*bottle.*requirements\.txt does not name it"):
        place.fill()


# Hosts and targets


def test_a_host_s_limits(place: Place) -> None:
    host = Host("small", "The small host", "none", limits=Limits(file=10, folder=2, files=3, total=100))
    before = place.files()
    with pytest.raises(TooLargeError, match="The small host would not take these packages") as raised:
        place.fill(host=host)
    assert [excess.split()[0] for excess in raised.value.excesses][1:] == ["The", "They", "They"]
    assert "MB; one file may have 0.0 MB" in raised.value.excesses[0]
    assert place.files() == before


@pytest.mark.parametrize(
    ("given", "uv", "pip"),
    [
        ("linux-x86_64", "x86_64-manylinux_2_28", "manylinux_2_28_x86_64"),
        ("manylinux2014_aarch64", "aarch64-manylinux2014", "manylinux_2_17_aarch64"),
        ("alpine", "x86_64-unknown-linux-musl", "musllinux_1_2_x86_64"),
        ("macos", "aarch64-apple-darwin", "macosx_13_0_arm64"),
        ("windows", "x86_64-pc-windows-msvc", "win_amd64"),
    ],
)
def test_platforms(given: str, uv: str, pip: str) -> None:
    target = make_target("3.13", given)
    assert (target.uv_platform(), target.pip_platforms()[0]) == (uv, pip)


@pytest.mark.parametrize(
    ("python", "platform", "says"),
    [
        ("three", "linux", "is not the version of a Python"),
        ("3.9", "linux", r"runs on Python 3\.10 and newer"),
        ("3.13", "amiga", "is not a platform"),
        ("3.13", "manylinux_2_28_arm64", "is not a platform"),
    ],
)
def test_targets_that_there_are_not(python: str, platform: str, says: str) -> None:
    with pytest.raises(VendorError, match=says):
        make_target(python, platform)


# The command


def test_the_command_tells_what_there_is(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.needs("fast")
    assert place.command("--python", running(), "--host", "local") == 0
    said = capsys.readouterr()
    assert "Not pure Python: fast." in said.out
    assert "from its folder" in said.out
    assert "no limits are known" in said.out
    assert said.err == ""
    sizes = [line.split() for line in said.out.splitlines() if line.startswith(("fast", "demijohn"))]
    assert [words[0] for words in sizes] == ["demijohn", "fast"]  # the largest first
    assert place.command("--python", running(), "--pure", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [len(package["dropped"]) for package in report["packages"] if package["name"] == "fast"] == [2]
    assert report["files"] == sum(package["files"] for package in report["packages"])


def test_the_command_fails_in_plain_words(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for engine in ("uv", "pip"):
        assert place.command("--engine", engine, "no-such-package") == 1
        said = capsys.readouterr().err
        assert "no-such-package" in said
        assert "Nothing was changed. The last words of " + engine in said
        assert "Traceback" not in said


def test_the_guide_s_options_are_there() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "vendor.md").read_text()
    parser = argparse.ArgumentParser()
    arguments(parser)
    commands = [line.split("#")[0].split()[2:] for line in guide.splitlines() if line.startswith("demijohn vendor")]
    assert len(commands) == 4
    for words in commands:
        parser.parse_args(words)
    assert set(re.findall(r"--[a-z][a-z-]+", guide)) <= set(parser._option_string_actions)
    for platform in ("linux-x86_64", "linux-aarch64", "alpine", "macos", "windows", "manylinux_2_36_x86_64"):
        assert f"`{platform}`" in guide
        assert make_target("3.13", platform)
    assert set(re.findall(r"\b(pylibmc|greenlet|cryptography)\b", guide)) <= known.DISPENSABLE.keys()
