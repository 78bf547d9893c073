"""Demijohn itself, where it is not fetched from an index like the others: copied from where it is imported."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import demijohn
from demijohn.deploy.vendor.contents import DROPPED_INFO
from demijohn.deploy.vendor.errors import VendorError

_NAME = "demijohn"


def is_from_folder() -> bool:
    """Whether Demijohn was installed from a folder or a file of this machine, where no index knows it (PEP 610)."""
    try:
        origin = metadata.distribution(_NAME).read_text("direct_url.json")
    except metadata.PackageNotFoundError as error:
        raise VendorError(
            "Demijohn runs from its source and is not installed, so that nobody knows what it needs. Install it: "
            "pip install --editable FOLDER"
        ) from error
    return origin is not None and json.loads(origin).get("url", "").startswith("file:")


def source() -> Path:
    """The folder that it is imported from."""
    return Path(demijohn.__file__).parent


def copy(target: Path) -> None:
    """Copy the package, and what importlib.metadata knows of it, into `target`, with a RECORD as an installer would
    write it."""
    distribution = metadata.distribution(_NAME)
    shutil.copytree(source(), target / _NAME, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
    info = target / f"{_NAME}-{distribution.version}.dist-info"
    for file in distribution.files or []:
        if file.parts[0].endswith(".dist-info") and file.name not in DROPPED_INFO:
            (info.joinpath(*file.parts[1:])).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), info.joinpath(*file.parts[1:]))
    copied = [path for top in (target / _NAME, info) for path in top.rglob("*") if path.is_file()]
    lines = [f"{path.relative_to(target).as_posix()},,\n" for path in copied]
    (info / "RECORD").write_text("".join(sorted(lines)), encoding="utf-8")
