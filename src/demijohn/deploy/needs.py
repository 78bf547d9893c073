"""Which packages a site needs on its host, before anyone asks which versions of them there are."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from demijohn import config
from demijohn.deploy.errors import RequirementsError
from demijohn.hosts import Host, Plan

DEMIJOHN = "demijohn"
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(\[(?P<extras>[^\]]*)\])?\s*(?P<rest>.*)")
_EXTRA = re.compile(r"""\s*(?:;|\band\b)\s*extra\s*==\s*(['"])(?P<extra>[\w-]+)\1\s*$""")


class Need(NamedTuple):
    """One requirement, as requirements.txt spells it: `psycopg[binary]>=3.2`."""

    #: In small letters, with hyphens.
    name: str
    extras: frozenset[str] = frozenset()
    #: The versions and the marker: `>=3.2; python_version < '3.12'`.
    rest: str = ""

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}{self.rest}"


class Needs(NamedTuple):
    """What a site needs on a host."""

    needs: tuple[Need, ...]
    #: Where they are named: `pyproject.toml`, `requirements.in`, ...; empty where no file of the site's names any.
    source: str
    #: What Demijohn may need for other hosts and settings: names.
    optional: frozenset[str]
    #: Demijohn is installed from a folder, where the host cannot get it, and the site must carry it.
    carried: bool


def parse(line: str) -> Need:
    """:raises ValueError: the line is no requirement."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(line)
    extras = frozenset(filter(None, re.split(r"[\s,]+", match["extras"] or "")))
    rest = re.sub(r"\s+", " ", match["rest"].strip())
    return Need(
        re.sub(r"[-_.]+", "-", match["name"]).lower(), extras, f" {rest}" if rest.startswith(("@", ";")) else rest
    )


def find(plan: Plan, host: Host) -> Needs:
    """What the site of `plan` needs on `host`: what its own requirements.in or pyproject.toml names, and Demijohn with
    what the settings and the host ask for.

    :raises RequirementsError: the site's file cannot be read, or what Demijohn needs cannot be told.
    """
    own, source = _own(plan.root)
    extras = wanted_extras(plan, host)
    project = _project(plan.root)
    if project.get("name") == DEMIJOHN and source == "pyproject.toml" and (plan.root / "src" / DEMIJOHN).is_dir():
        ours, optional = _of_this_repository(project, extras)
        return Needs(_joined([*own, *ours]), source, optional, carried=False)
    extras |= {extra for need in own if need.name == DEMIJOHN for extra in need.extras}
    optional = frozenset(need.name for need in _requires(None))
    if _from_an_index():
        version = importlib.metadata.version(DEMIJOHN)
        named = any(need.name == DEMIJOHN for need in own)
        ours = [Need(DEMIJOHN, frozenset(extras), "" if named else f">={version}")]
        return Needs(_joined([*own, *ours]), source, optional | {DEMIJOHN}, carried=False)
    others = [need for need in own if need.name != DEMIJOHN]
    return Needs(_joined([*others, *_requires(extras)]), source, optional, carried=True)


def wanted_extras(plan: Plan, host: Host) -> set[str]:
    """Demijohn's extras that the settings and the host ask for."""
    environ = {**host.environ, "DEMIJOHN_HOST": host.name}
    settings: Any = config.read(plan.root, environ=environ, base={})[0]
    database = host.database or settings["database.url"].partition(":")[0].partition("+")[0]
    minor = int(plan.python.partition(".")[2])
    asked = {
        "server": "gunicorn" in host.start,
        "postgresql": plan.database and database == "postgresql",
        "migrations": plan.migrations,
        "redis": settings["session.type"] == "redis",
        "cookie": settings["session.type"] == "cookie",
        "s3": settings["files.store"] == "s3",
        "gcs": settings["files.store"] == "gcs",
        "images": host.native and _mentions(plan.root, "save_picture"),
        "sasl": bool(settings["memcached.username"]) and minor >= 12,  # before, pylibmc is there and signs in
    }
    return {extra for extra, is_asked in asked.items() if is_asked}


def _mentions(root: Path, word: str) -> bool:
    """Whether the site's own code has this word."""
    return any(word in path.read_text(encoding="utf-8", errors="replace") for path in sorted(root.glob("app/**/*.py")))


def read_lines(text: str, name: str) -> list[Need]:
    """The requirements in a file such as requirements.in.

    :raises RequirementsError: a line is an option, or no requirement.
    """
    needs = []
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            continue
        try:
            needs.append(parse(line))
        except ValueError:
            raise RequirementsError(
                f"{name} has the line {line!r}, which is no package with its versions. Options are not read here; an "
                "index of your own belongs in the settings of uv or pip."
            ) from None
    return needs


def _own(root: Path) -> tuple[list[Need], str]:
    """What the site's own files name, and which file does."""
    if (root / "requirements.in").is_file():
        return read_lines((root / "requirements.in").read_text(encoding="utf-8"), "requirements.in"), "requirements.in"
    project = _project(root)
    if "dependencies" in project:
        return read_lines("\n".join(project["dependencies"]), "pyproject.toml"), "pyproject.toml"
    return [], ""


def _project(root: Path) -> dict[str, Any]:
    """The table [project] of pyproject.toml; empty where there is none."""
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    try:
        import tomllib as toml
    except ModuleNotFoundError:  # Python 3.10; pip brings one along
        from pip._vendor import tomli as toml  # type: ignore[import-untyped, no-redef, unused-ignore]
    try:
        project = toml.loads(path.read_text(encoding="utf-8")).get("project", {})
    except (toml.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequirementsError(f"pyproject.toml cannot be read: {error}.") from None
    return {"name": "", **project} if isinstance(project, dict) else {}


def _of_this_repository(project: dict[str, Any], extras: set[str]) -> tuple[list[Need], frozenset[str]]:
    optional: dict[str, list[str]] = project.get("optional-dependencies", {})
    ours = [parse(line) for extra in sorted(extras) for line in optional.get(extra, ())]
    return ours, frozenset(parse(line).name for lines in optional.values() for line in lines)


def _from_an_index() -> bool:
    """Whether Demijohn was installed from an index, where the host can get it, too."""
    try:
        installed = importlib.metadata.distribution(DEMIJOHN)
    except importlib.metadata.PackageNotFoundError:
        return False
    # What was installed from a folder, a file or a repository says so here (PEP 610).
    return installed.read_text("direct_url.json") is None


def _requires(extras: Iterable[str] | None) -> Iterator[Need]:
    """What Demijohn needs with these extras; None: what only extras need.

    :raises RequirementsError: it is not installed, only lies on Python's path.
    """
    try:
        lines = importlib.metadata.requires(DEMIJOHN) or []
    except importlib.metadata.PackageNotFoundError:
        raise RequirementsError(
            "What Demijohn needs cannot be told, because it is not installed, but only found on Python's path. Install "
            "it (pip install PATH), or leave requirements.txt alone: --no-requirements"
        ) from None
    for line in lines:
        match = _EXTRA.search(line)
        if match is None:
            if extras is not None:
                yield parse(line)
        elif extras is None or match["extra"] in extras:
            yield parse(line[: match.start()])


def _joined(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Each once, sorted; two that differ in their extras alone are one."""
    joined: dict[tuple[str, str], Need] = {}
    for need in needs:
        key = (need.name, need.rest)
        other = joined.get(key)
        joined[key] = need if other is None else need._replace(extras=need.extras | other.extras)
    named = {name for name, rest in joined if rest}
    bare = [key for key in joined if not key[1] and key[0] in named]
    for key in bare:  # demijohn[server] beside demijohn>=0.1
        need = joined.pop(key)
        for name, rest in [other for other in joined if other[0] == key[0]]:
            joined[name, rest] = joined[name, rest]._replace(extras=joined[name, rest].extras | need.extras)
    return tuple(sorted(joined.values(), key=str))
