"""requirements.txt: each package that the host installs, with its version and the hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from demijohn.deploy import resolve
from demijohn.deploy.errors import RequirementsError
from demijohn.deploy.needs import Need, Needs, parse
from demijohn.hosts import Plan

FILE = "requirements.txt"
#: Files that say the same, and of which no host takes two: Heroku's build ends with an error.
OTHERS = ("uv.lock", "poetry.lock", "Pipfile.lock")
_SIGN = "# Written by `demijohn deploy`"
_FOR = re.compile(r"# For Python (3\.\d+)(?P<engine>.*):")


class Header(NamedTuple):
    """What the top of the file says of the rest."""

    #: The oldest Python that it is for.
    python: str
    #: Where else it holds: a clause after a comma.
    where: str
    needs: tuple[Need, ...]

    def __str__(self) -> str:
        named = "\n".join(f"#   {need}" for need in self.needs)
        return (
            f"{_SIGN}, which keeps these versions; `--upgrade` looks for newer ones.\n"
            f"# For Python {self.python}{self.where}:\n{named}\n"
        )


def read_header(text: str) -> Header | None:
    """None where somebody else has written the file."""
    lines = text.splitlines()
    match = _FOR.fullmatch(lines[1]) if len(lines) > 1 and lines[0].startswith(_SIGN) else None
    if match is None:
        return None
    needs = []
    for line in lines[2:]:
        if not line.startswith("#   "):
            break
        try:
            needs.append(parse(line[4:]))
        except ValueError:
            return None
    return Header(match[1], match["engine"], tuple(needs))


def make(plan: Plan, wanted: Needs, old: str = "", *, upgrade: bool = False, engine: str | None = None) -> str:
    """The text of requirements.txt.

    :param old: what the file holds. Its versions are kept, and all of it where it has what is wanted; what another host
        needs stays in it.
    :param upgrade: take the newest versions of what this host needs.
    :param engine: `uv` or `pip`; by default uv where it is installed. uv's file holds on every machine and for newer
        Pythons as well, pip's for machines like this one alone.
    :raises RequirementsError: no versions were found, or they could not be looked up.
    """
    header = read_header(old)
    needs = tuple(sorted(wanted.needs, key=str))
    if header is not None and not upgrade:
        needs = _with_others(wanted, header.needs)
        if header.needs == needs and _is_for(header, plan.python):
            return old
    chosen = resolve.engine(engine)
    python = plan.python
    pins = chosen.pins([str(need) for need in needs], python, "" if upgrade else old, plan.root)
    where = " and newer" if chosen.universal else f", on machines like the one it was written on ({resolve.machine()})"
    text = f"{Header(python, where, needs)}\n{pins.strip()}\n"
    if "://" in text and not any(need.rest.startswith(" @") for need in needs):
        raise RequirementsError(f"{chosen.name} has put the address of an index into {FILE}, where it is not wanted.")
    return text


def _is_for(header: Header, python: str) -> bool:
    if header.where != " and newer":
        return header.python == python
    return _minor(header.python) <= _minor(python)


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _with_others(wanted: Needs, there: Iterable[Need]) -> tuple[Need, ...]:
    """What is wanted, and what is there for another host: an extra of Demijohn's, or more extras."""
    names = {need.name for need in wanted.needs}
    kept = [need for need in there if need.name not in names and need.name in wanted.optional]
    extras = {need.name: need.extras for need in there if need.name in wanted.optional}
    more = [need._replace(extras=need.extras | extras.get(need.name, frozenset())) for need in wanted.needs]
    return tuple(sorted([*more, *kept], key=str))
