"""Which site a command is about."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from demijohn.errors import DemijohnError

HELP = "the site's folder; else the nearest one upwards with a config.yaml"


def add_action(actions: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    """A parser for one of the actions of a command, which takes `--root` before the action or behind it."""
    sentence = f"{purpose[0].upper()}{purpose[1:]}."
    action: argparse.ArgumentParser = actions.add_parser(name, help=purpose, description=sentence)
    action.add_argument("--root", help=HELP, default=argparse.SUPPRESS)  # else it would undo the one before the action
    return action


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
