"""Where this Demijohn was installed from, so that a new site can have the same one."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import demijohn

#: With the server of the hosts.
NAME = "demijohn[server]"


class Origin(NamedTuple):
    """What pip is asked for."""

    #: A requirement that holds on every machine (PEP 508).
    requirement: str
    #: What to install on this machine instead, as a shell reads it; empty where the requirement will do.
    here: str = ""


def origin(repository: Path | None) -> Origin:
    """What a new site is to depend on.

    :param repository: the checkout that this Demijohn runs from, if it does.
    """
    pinned = f"{NAME}~={demijohn.__version__}"
    if repository is not None:
        return Origin(pinned, f"--editable {shlex.quote(f'{repository}[server]')}")
    return _from_address(_direct_url(), pinned)


def _direct_url() -> dict[str, Any]:
    """What pip has noted of an installation that did not come from an index (PEP 610)."""
    try:
        noted = distribution("demijohn").read_text("direct_url.json")
    except PackageNotFoundError:
        noted = None
    return dict(json.loads(noted)) if noted else {}


def _from_address(noted: dict[str, Any], pinned: str) -> Origin:
    address = noted.get("url", "")
    if "vcs_info" in noted:
        version_control = noted["vcs_info"]
        return Origin(f"{NAME} @ {version_control['vcs']}+{address}@{version_control['commit_id']}{_folder(noted)}")
    if urlsplit(address).scheme in ("http", "https"):
        return Origin(f"{NAME} @ {address}{_folder(noted)}")
    if address and Path(url2pathname(urlsplit(address).path)).exists():
        return Origin(pinned, shlex.quote(f"{NAME} @ {address}"))
    return Origin(pinned)


def _folder(noted: dict[str, Any]) -> str:
    return f"#subdirectory={noted['subdirectory']}" if noted.get("subdirectory") else ""
