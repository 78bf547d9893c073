"""The hosts that Demijohn knows, one file each. Nothing outside this package asks which host it is on; it asks what the
host sets, or what its disk does.

A host of somebody else's is an entry point of the group `demijohn.hosts`: its name, and a `Host`. It is taken where
DEMIJOHN_HOST names it; to look for entry points at every boot would cost more than the rest of the settings.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from demijohn.errors import UnknownHostError
from demijohn.hosts.host import Host as Host
from demijohn.hosts.host import Limits as Limits
from demijohn.hosts.host import Proxies as Proxies

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from demijohn.hosts.plan import Plan as Plan

#: The group of the entry points.
GROUP = "demijohn.hosts"
#: Each host with the variables that only it sets, and the beginning of their values ("" for any). One of them is
#: enough, and the first host that has one is taken; `local` has none and is what is left. They stand here, and not with
#: the profiles, so that a boot loads one profile instead of all.
MARKS: dict[str, Mapping[str, str]] = {
    "dokku": {"DOKKU_APP_NAME": "", "DOKKU_APP_TYPE": ""},  # before Heroku: its containers have a DYNO too
    "heroku": {"DYNO": ""},  # web.1, release.1234
    "gae": {"GAE_ENV": ""},  # standard
    "cloudrun": {"K_SERVICE": ""},
    "fly": {"FLY_APP_NAME": ""},
    "render": {"RENDER": ""},
    "railway": {"RAILWAY_ENVIRONMENT_NAME": ""},
    # Not documented by the host, but set on it and used by many sites.
    "pythonanywhere": {"PYTHONANYWHERE_DOMAIN": "", "PYTHONANYWHERE_SITE": ""},
    "sae-container": {"SINACLOUD_CONTAINER_CPU": ""},
    "sae": {"SERVER_SOFTWARE": "direwolf"},  # not set by SAE's development server (developer guide, "runtime")
    # Set in the Dockerfile that `demijohn deploy` writes. Podman sets it to `podman`, also for a developer's shell.
    "docker": {"container": "docker"},
    # Nothing tells these from other machines: what `demijohn deploy` writes for them sets DEMIJOHN_HOST.
    "piku": {},
    "vm": {},
    "local": {},
}


def __getattr__(name: str) -> Any:
    if name != "Plan":  # which no site needs that is served
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from demijohn.hosts.plan import Plan

    return Plan


def detect(environ: Mapping[str, str]) -> Host:
    """The host that this process runs on. DEMIJOHN_HOST, where it is set, decides.

    :raises UnknownHostError: DEMIJOHN_HOST names no host.
    """
    name = environ.get("DEMIJOHN_HOST", "").strip()
    if name:
        return find(name)
    return find(next((name for name, marks in MARKS.items() if _found(marks, environ)), "local"))


def find(name: str) -> Host:
    """The host of this name, in whatever case.

    :raises UnknownHostError: there is none.
    """
    key = name.strip().lower()
    if key in MARKS:
        host: Host = importlib.import_module(f"demijohn.hosts.{key.replace('-', '_')}").HOST
        return host
    others = _others()
    if key in others:
        host = others[key].load()
        return host
    raise UnknownHostError(name, names())


def names() -> tuple[str, ...]:
    """The names of all hosts, those of other packages last."""
    return (*MARKS, *_others())


def _found(marks: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    return any(variable in environ and environ[variable].startswith(start) for variable, start in marks.items())


def _others() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 10 ms

    return {point.name.lower(): point for point in entry_points(group=GROUP) if point.name.lower() not in MARKS}
