"""What is in a bundle, as `bundle.json` says it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import demijohn
from demijohn.static.files import PIECE, digest_of

#: In the bundle's folder.
MANIFEST = "bundle.json"
_ABOUT = (
    "Written by demijohn bundle. The .pyc files here are not compared with the .py files beside them: who changes "
    "Python here deletes its __pycache__, or better, bundles the site again. Changed templates and settings are seen."
)


class File(NamedTuple):
    """A file in the bundle."""

    size: int
    #: BLAKE2b, 16 bytes, in hexadecimal digits.
    digest: str


class Manifest(NamedTuple):
    """A bundle."""

    #: The folder or the zip file.
    path: Path
    #: The site's name, the host's, and the Python that it is for: `3.13`.
    site: str
    host: str
    python: str
    #: Tells its contents from any other's.
    release: str
    #: Whether the Python in it is compiled for `python`.
    compiled: bool
    #: By their paths, without bundle.json itself.
    files: dict[str, File]
    #: Files and folders of the site that are left out, and why.
    left_out: Mapping[str, str] = MappingProxyType({})
    #: What the host asks for, and the site does not have.
    missing: tuple[str, ...] = ()
    #: What there is to say, sentences.
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all, unpacked."""
        return sum(file.size for file in self.files.values())


def describe(tree: Path) -> dict[str, File]:
    """All files in `tree`, sorted."""
    found = {}
    for path in sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).as_posix()):
        if path.is_file() and path != tree / MANIFEST:
            found[path.relative_to(tree).as_posix()] = File(path.stat().st_size, _digest(path))
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return digest_of(iter(lambda: file.read(PIECE), b""))


def is_packed(path: Path) -> bool:
    """Whether the file at `path` is a bundle, packed.

    :raises OSError: it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return MANIFEST in archive.namelist()


def foreign(folder: Path) -> list[str]:
    """The files in the bundle `folder` that are not as they were put there, or not from here: somebody's work. Not byte
    code, which Python writes by itself."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        known = {name: File(*file) for name, file in listed.items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        known = {}
    there = describe(folder)
    return [name for name in there if there[name] != known.get(name) and not name.endswith(".pyc")]


def release_of(files: dict[str, File]) -> str:
    """A hash over the names and the contents of all files."""
    lines = "".join(f"{file.digest} {name}\n" for name, file in files.items())
    return hashlib.blake2b(lines.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def write(tree: Path, manifest: Manifest) -> None:
    """Write bundle.json: the same for the same contents, whenever and wherever."""
    content: dict[str, Any] = {
        "about": _ABOUT,
        "demijohn": demijohn.__version__,
        "site": manifest.site,
        "host": manifest.host,
        "python": manifest.python,
        "compiled": manifest.compiled,
        "release": manifest.release,
    }
    lines = [f"{json.dumps(name)}: {json.dumps(content[name])}" for name in content]
    files = [f"  {json.dumps(name)}: {json.dumps(file)}" for name, file in manifest.files.items()]
    text = "{\n " + ",\n ".join([*lines, '"files": {\n' + ",\n".join(files) + "\n }"]) + "\n}\n"
    (tree / MANIFEST).write_text(text, encoding="utf-8")
