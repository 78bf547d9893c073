"""All that is found by reading, host by host."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from demijohn.check import capacity, doors, hostfiles, imports, names, packages, safety, settings, templates, uploads
from demijohn.check.boot import Boot
from demijohn.check.folder import Folder
from demijohn.check.reading import Reading
from demijohn.check.subject import Check, Subject
from demijohn.deploy.plan import make_plan
from demijohn.errors import DemijohnError
from demijohn.findings import Finding
from demijohn.hosts import Host, Plan

CHECKS: tuple[Check, ...] = (
    settings.check,
    capacity.check,
    safety.check,
    doors.check,
    packages.check,
    hostfiles.check,
    uploads.check,
    templates.check,
    names.check,
    imports.check,
)


def read(root: str, hosts: Iterable[Host], named: bool) -> dict[str, list[Finding]]:
    """The findings of each host, by its name."""
    folder = Folder(Path(root))
    boot = Boot(folder)
    return {host.name: _read(folder, boot, host, named) for host in hosts}


def _read(folder: Folder, boot: Boot, host: Host, named: bool) -> list[Finding]:
    subject = Subject(folder, boot, host, plan_of(folder.root, host), Reading(folder, boot, host), named)
    found = [finding for check in CHECKS for finding in check(subject)]
    found += settings.mistakes(subject, found)
    found += host.checks(subject.plan)
    return found


def plan_of(root: Path, host: Host) -> Plan:
    """What the host is told of the site; where the settings are too wrong to tell, what there is of it."""
    try:
        return make_plan(root, host)
    except DemijohnError:
        return Plan(root, python=host.pythons[-1] if host.pythons else Plan(root).python)
