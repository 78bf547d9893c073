"""Which site a command is about."""

from __future__ import annotations

from pathlib import Path

from demijohn.errors import DemijohnError


def find_root(given: str | None = None) -> Path:
    """The site's folder: `given`, or the nearest one upwards from the working directory that holds a config.yaml, or
    the working directory.

    :raises DemijohnError: there is no folder `given`.
    """
    if given is not None:
        root = Path(given).absolute()
        if not root.is_dir():
            raise DemijohnError(f"There is no folder {given}. --root takes the folder of a site, with its config.yaml.")
        return root
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "config.yaml").is_file()), here)


def prefer_development() -> None:
    """Make development the environment of this process, unless the host, config.yaml or a variable says otherwise."""
    from demijohn import config

    config.prefer({"environment": "development"})
