"""A site whose packages come from a folder of wheels: what the tests of `demijohn vendor` carry along."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from demijohn.cli import main
from demijohn.deploy import vendor
from demijohn.deploy.vendor import Report
from demijohn.deploy.vendor.target import running
from demijohn.deploy.vendor.wanted import needed
from tests.wheels import HERE, LIBRARY, library, write_source, write_wheel

PLATFORM = "manylinux_2_17_x86_64"
TAG = f"{HERE}-{HERE}-{PLATFORM}"
#: What Demijohn needs.
OURS = needed()
#: A Python that this is not.
OTHER = "3.12" if running() == "3.13" else "3.13"


def write_packages(folder: Path) -> None:
    module, binary = library()
    for name in OURS:  # as little of it as can be installed
        write_wheel(folder, name, version(name), {f"{name}_.py": ""})
    write_wheel(folder, "pylibmc", "1.7", {"pylibmc_.py": ""})
    write_wheel(
        folder,
        "plain",
        "1.2",
        {
            "plain/__init__.py": "from plain.testing import probe\nimport plain.data\n",
            "plain/data.py": "read = 'table.h'\n__import__('importlib').import_module('.testing', 'plain.lazy')\n",
            "plain/testing/__init__.py": "probe = 1\n",
            "plain/lazy/__init__.py": "",
            "plain/lazy/testing/__init__.py": "",
            "plain/tests/__init__.py": "",
            "plain/tests/test_all.py": "import plain\n",
            "plain/table.h": "read by its name",
            "plain/speed.c": "int x;",
            "plain/speed.pyi": "x: int",
            "plain/py.typed": "",
            "tests/test_beside.py": "",
            "plain-1.2.data/scripts/plain": "#!python\n",
        },
        ["by-version-old; python_version < '3.13'", "by-version-new; python_version >= '3.13'"],
        info={"licenses/LICENSE": "as you like", "entry_points.txt": "[console_scripts]\nplain = plain:probe\n"},
    )
    write_wheel(folder, "by-version-old", "1", {"by_version.py": "old = True\n"})
    write_wheel(folder, "by-version-new", "1", {"by_version.py": "old = False\n"})
    fast = "try:\n    from fast._speed import go\nexcept ImportError:\n    go = None\nimport fast.parts\n"
    write_wheel(
        folder,
        "fast",
        "2.0",
        {
            "fast/__init__.py": fast,
            "fast/parts.py": "",
            "fast/more.py": "import not_installed\n",
            f"fast/_speed{LIBRARY}": b"\x7fELF, or so",
            "fast.libs/libspeed-1a2b.so.3": b"\x7fELF",
        },
        tag=TAG,
    )
    needs = {"needs/__init__.py": "", "needs/core.py": f"from needs import {module}\n"}
    write_wheel(folder, "needs", "1", {**needs, f"needs/{module}{LIBRARY}": binary}, tag=TAG)
    write_wheel(folder, "bare", "1", {f"bare{LIBRARY}": binary}, tag=TAG)
    write_wheel(folder, "program", "1", {"program/__init__.py": "", "program/run": b"\x7fELF"}, tag=TAG)
    write_wheel(folder, "greenlet", "1", {"greenlet/__init__.py": "", f"greenlet/_g{LIBRARY}": b"\x7fELF"}, tag=TAG)
    write_wheel(folder, "gevent", "1", {"gevent.py": ""})
    extra = ["psycopg-binary; extra == 'binary'"]
    write_wheel(folder, "psycopg", "3.9", {"psycopg/__init__.py": "import psycopg_binary._x\n"}, extra)
    write_wheel(folder, "psycopg-binary", "3.9", {"psycopg_binary/__init__.py": "", "psycopg_binary/_x.so": b"\x7fELF"})
    write_source(folder, "only-source", {"only_source.py": "x = 1\n"}, "py3-none-any")
    write_source(folder, "only-compiled", {"only_compiled.py": "x = 1\n"}, TAG)


class Place:
    """A site, and the folder of wheels that its packages come from."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.root, self.wheels = root, wheels
        self.target = root / "site-packages"
        self.target.mkdir(parents=True)
        (self.target / "README.md").write_text("stays\n")
        (root / "config.yaml").write_text("name: trial\n")
        self.needs("plain", "fast")

    def needs(self, *packages: str) -> None:
        (self.root / "requirements.txt").write_text("\n".join([*OURS, *packages, ""]))

    def fill(self, python: str | None = running(), **options: Any) -> Report:
        options = {"platform": PLATFORM, "find_links": [str(self.wheels)], "index": False, **options}
        return vendor.fill(self.root, self.target, python, **options)

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}

    def carried(self) -> set[str]:
        """The files in site-packages/ that are not Demijohn's."""
        paths = [path.relative_to(self.target).as_posix() for path in self.target.rglob("*") if path.is_file()]
        return {path for path in paths if not path.startswith("demijohn")}

    def command(self, *words: str) -> int:
        places = ["--root", str(self.root), "--find-links", str(self.wheels), "--no-index", "--platform", PLATFORM]
        return main(["vendor", *places, *words])


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_packages(folder)
    return folder


@pytest.fixture
def place(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    # Demijohn itself is large to carry along each time; test_vendor_real.py does.
    (tmp_path / "demijohn").mkdir()
    (tmp_path / "demijohn" / "__init__.py").write_text("small = True\n")
    monkeypatch.setattr("demijohn.deploy.vendor.own.source", lambda: tmp_path / "demijohn")
    return Place(tmp_path / "site", wheels)


def find(report: Report, name: str) -> vendor.Package:
    return next(package for package in report.packages if package.name == name)
