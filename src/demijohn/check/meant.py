"""Which hosts a site is meant for, as far as its folder tells."""

from __future__ import annotations

from pathlib import Path

from demijohn import hosts
from demijohn.check.checks import plan_of
from demijohn.hosts import Host


def meant(root: Path) -> list[Host]:
    """The hosts whose files lie in the folder: all of them, and at least one that not every site has."""
    wanted = {name: _files(root, hosts.find(name)) for name in hosts.names()}
    return [
        hosts.find(name) for name, files in wanted.items() if files and all((root / path).is_file() for path in files)
    ]


def _files(root: Path, host: Host) -> set[str]:
    return set(host.files(plan_of(root, host))) - {"config.yaml", "requirements.txt", ".python-version"}
