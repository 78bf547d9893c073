"""What lies in a folder of packages: its distributions, their files, and which of them are compiled."""

from __future__ import annotations

import csv
import re
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from demijohn.deploy.vendor.errors import VendorError

#: Of a distribution's own folder: how it came to this machine. Nobody reads it where it is carried to, and some of it
#: differs from machine to machine.
DROPPED_INFO = ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_LIBRARY = re.compile(r"\.(so|pyd|dll|dylib|a|lib)(\.[\d.]+)?$", re.IGNORECASE)
_PROGRAMS = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")  # Linux; macOS, 64 and 32 bits


class Installed(NamedTuple):
    """A distribution in the folder."""

    #: Normalised, as PEP 503 says: `typing-extensions`.
    name: str
    version: str
    #: The name of its `.dist-info` folder.
    info: str
    #: The paths of its files in the folder, sorted. Where two distributions have the same file, both name it.
    files: tuple[str, ...]

    def modules(self) -> list[str]:
        """The dotted names of its modules, without those that are meant to be run."""
        names = {_module(path) for path in self.files if path.endswith(".py")}
        return sorted(name for name in names if name and name.rpartition(".")[2] not in ("__main__", "conftest"))

    def tops(self) -> list[str]:
        """The names that it is imported by, those of compiled modules among them: `yaml`, `_cffi_backend`."""
        compiled = {path.split(".")[0] for path in self.files if "/" not in path and _LIBRARY.search(path)}
        return sorted({name.partition(".")[0] for name in self.modules()} | compiled)


def read(folder: Path) -> list[Installed]:
    """The distributions in `folder`, by their names.

    :raises VendorError: uv or pip have left something else than they should.
    """
    found = [_read_one(folder, info) for info in folder.glob("*.dist-info")]
    return sorted(found, key=lambda installed: installed.name)


def normal(name: str) -> str:
    """The name of a distribution in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compiled(folder: Path, paths: tuple[str, ...]) -> list[str]:
    """Those of these files that are not Python: libraries and programs of one kind of machine."""
    return [path for path in paths if _LIBRARY.search(path) or _is_program(folder / path)]


def is_library(path: str) -> bool:
    """Whether a compiled file is one that is loaded, not a program."""
    return bool(_LIBRARY.search(path))


def is_universal(folder: Path, installed: Installed) -> bool:
    """Whether the wheel it came from was for any machine and any Python 3 (its file WHEEL)."""
    text = (folder / installed.info / "WHEEL").read_text(encoding="utf-8")
    return all(tag.endswith("-none-any") for tag in HeaderParser().parsestr(text).get_all("Tag", []))


def requirements(folder: Path, installed: Installed) -> set[str]:
    """The names of the packages that it asks for, those of its extras not among them."""
    lines = HeaderParser().parsestr(_metadata(folder / installed.info)).get_all("Requires-Dist", [])
    names = [re.match(r"[\w.-]+", line) for line in lines if "extra ==" not in line]
    return {normal(name[0]) for name in names if name}


def _metadata(info: Path) -> str:
    return (info / "METADATA").read_text(encoding="utf-8")


def _read_one(folder: Path, info: Path) -> Installed:
    try:
        headers = HeaderParser().parsestr(_metadata(info))
        with (info / "RECORD").open(encoding="utf-8", newline="") as record:
            recorded = {_inside(row[0]) for row in csv.reader(record) if row}
    except OSError as error:
        raise VendorError(f"The package in {info.name} is not whole: {error}. Nothing was changed.") from error
    files = sorted(path for path in recorded if (folder / path).is_file())
    return Installed(normal(headers["Name"]), headers["Version"], info.name, tuple(files))


def _inside(path: str) -> str:
    """pip writes the paths of scripts from where they would lie in a whole environment: ../../bin/tqdm"""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return "/".join(part for part in parts if part not in ("..", "/"))


def _module(path: str) -> str:
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        del parts[-1]
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def _is_program(path: Path) -> bool:
    if path.suffix in (".py", ".pyi", ".txt", ".md"):
        return False
    with path.open("rb") as file:
        start = file.read(4)
    return start in _PROGRAMS or (path.suffix == ".exe" and start[:2] == b"MZ")
