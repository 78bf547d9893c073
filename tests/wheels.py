"""Packages of the tests' own: wheels and sources, written as the files that they are, for a folder to install from."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Says that a wheel's package is for one kind of machine.
HERE = f"cp{sysconfig.get_config_var('py_version_nodot')}"
LIBRARY = str(sysconfig.get_config_var("EXT_SUFFIX"))
#: Modules that CPython compiles apart from itself on one system or another.
_APART = ("_heapq", "_bisect", "_csv", "_json", "_queue", "_lsprof", "_asyncio", "_random", "resource", "termios")

#: Builds what lies beside it, with nothing but Python; `TAG` is the wheel's, `FILES` what is in it.
_BACKEND = """
import sys
sys.path.insert(0, ".")
from wheels import write_wheel
from pathlib import Path
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return write_wheel(Path(folder), NAME, "1.0", FILES, tag=TAG).name
"""


def library() -> tuple[str, bytes]:
    """The name of a module that is compiled, and its file, which this Python can load."""
    for name in _APART:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin and spec.origin.endswith(LIBRARY):
            return name, Path(spec.origin).read_bytes()
    raise AssertionError("This Python has all of its compiled modules built in.")


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    info: Mapping[str, str] | None = None,
) -> Path:
    """A wheel in `folder`. `info`: more files of its .dist-info."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    about = {
        "METADATA": "\n".join(metadata) + "\n",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
        **(info or {}),
    }
    content = {**files, **{f"{stem}.dist-info/{key}": text for key, text in about.items()}}
    path = folder / f"{stem}-{tag}.whl"
    record = []
    with zipfile.ZipFile(path, "w") as wheel:
        for key, value in content.items():
            data = value.encode() if isinstance(value, str) else value
            wheel.writestr(key, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{key},sha256={digest},{len(data)}\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "".join([*record, f"{stem}.dist-info/RECORD,,\n"]))
    return path


def write_source(folder: Path, name: str, files: Mapping[str, str], tag: str) -> Path:
    """The source of a package of version 1.0, of which a wheel with this tag is made, with no need of the network."""
    backend = f"NAME, TAG, FILES = {name!r}, {tag!r}, {dict(files)!r}\n{_BACKEND}"
    content = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": (
            f'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "1.0"\n'
        ),
        "backend.py": backend,
        "wheels.py": Path(__file__).read_text(),
    }
    path = folder / f"{name.replace('-', '_')}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for key, text in content.items():
            member = tarfile.TarInfo(f"{name.replace('-', '_')}-1.0/{key}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def digest(file: Path) -> str:
    """As a requirements file names it."""
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
