"""The files of the repository that make up its own site, the one that `demijohn new` hands out. The build reads this
module, too (hatch_build.py): the wheel carries these files, as they lie in a copy, in `demijohn/starter/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: In the repository, and in a copy.
PLACES = {
    "index.wsgi": "index.wsgi",
    "main.py": "main.py",
    "gunicorn.conf.py": "gunicorn.conf.py",
    "config.yaml": "config.yaml",
    "app": "app",
    "views": "views",
    "static": "static",
    "site-packages/README.md": "site-packages/README.md",
    "tests/site": "tests",  # but for conftest.py: each copy has one of its own
}


def parts(repository: Path) -> dict[str, Path]:
    """Each file of a copy, by its path there, and where it lies below `repository`."""
    return {
        f"{place}{path[len(name) :]}": repository / path
        for name, place in PLACES.items()
        for path in sorted(_files(repository, name))
    }


def below(folder: Path) -> dict[str, Path]:
    """Each file below `folder`, by its path there."""
    return {path: folder / path for path in sorted(_files(folder, ""))}


def _files(root: Path, name: str) -> Iterator[str]:
    """The paths of a file or of the files of a folder, with slashes; without what programs leave behind."""
    start = root / name
    if start.is_file():
        yield name
    for folder, folders, files in os.walk(start):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if not file.startswith(".") and not file.endswith((".pyc", "~")):
                yield (Path(folder) / file).relative_to(root).as_posix()
