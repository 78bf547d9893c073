"""`site-packages/` of a bundle: fetched for the host, or what the site has there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from demijohn.deploy.bundle.contents import PACKAGES
from demijohn.deploy.bundle.errors import BundleError
from demijohn.deploy.vendor import fill, own
from demijohn.deploy.vendor.contents import DROPPED_INFO
from demijohn.hosts import Host, Plan

_SELF = "demijohn"


def put(plan: Plan, host: Host, tree: Path, vendor: bool | None, say: Callable[[str], None]) -> list[str]:
    """Put the packages into `tree`. Returns what there is to say, sentences.

    :param vendor: fetch them; None: if the host installs none.
    :raises BundleError: there are none, and the host installs none.
    :raises VendorError: they could not be fetched.
    """
    target = tree / PACKAGES
    there = plan.root / PACKAGES
    if vendor or (vendor is None and not host.installs):
        fill(plan.root, target, plan.python, host=host, say=say)
    elif _is_filled(there):
        shutil.copytree(there, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "README.md", ".*"))
        _strip(target)
    elif not host.installs:
        raise BundleError(
            f"{host.title} installs no packages, and {PACKAGES} holds none. Leave --no-vendor out, or run this first: "
            "demijohn vendor"
        )
    if any((folder / _SELF).is_dir() for folder in (target, tree / "src")) or not own.is_from_folder():
        return []
    own.copy(target)
    _strip(target)
    return [f"Demijohn itself lies in {PACKAGES}: it was installed from a folder here, where the host cannot get it."]


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != "README.md" and path.name[0] != "." for path in folder.iterdir())


def _strip(folder: Path) -> None:
    """Take out what differs from machine to machine, and the programs, which nothing calls on a host."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for info in folder.glob("*.dist-info"):
        for name in DROPPED_INFO:
            (info / name).unlink(missing_ok=True)
