"""Which packages a site needs: what its requirements.txt, or its pyproject.toml, or Demijohn itself says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from demijohn.deploy.vendor import own
from demijohn.deploy.vendor.contents import normal
from demijohn.deploy.vendor.errors import VendorError

NAME = "demijohn"
_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")


class Wanted(NamedTuple):
    """What to fetch."""

    #: The lines of a requirements file.
    lines: list[str]
    #: Where they are from, in the words of a message.
    source: str
    #: Each is pinned, and its hash is to be checked.
    hashed: bool
    #: Demijohn is among them. If not, it is copied from where it is imported.
    fetched: bool


def read(root: Path, packages: Sequence[str], file: Path | None, without: Sequence[str]) -> Wanted:
    """What the site at `root` needs.

    :param packages: requirements beside those.
    :param file: a file of requirements, to be read instead.
    :param without: packages that Demijohn can do without, and is to.
    :raises VendorError: nothing can be read from there.
    """
    if file is None and (root / "requirements.txt").is_file():
        file = root / "requirements.txt"
    if file is not None:
        lines, source = list(_lines(file)), file.name
    else:
        lines, source = _project(root)
    hashed = any("--hash=" in line for line in lines)
    if hashed and packages:
        raise VendorError(
            f"{source} has hashes, so that nothing else is let in, and {packages[0]} has none. Add it to {source}."
        )
    return _with_own(root, [*lines, *packages], source, hashed, without)


def _with_own(root: Path, lines: list[str], source: str, hashed: bool, without: Sequence[str]) -> Wanted:
    ours = [line for line in lines if name_of(line) == NAME]
    if ours and not own.is_from_folder():
        return Wanted(lines, source, hashed, fetched=True)
    others = [line for line in lines if name_of(line) != NAME]
    if hashed:  # what Demijohn needs is pinned there too, or it would not install
        return Wanted(others, source, hashed, fetched=False)
    extras = used_extras(root)
    for line in ours:
        match = _REQUIREMENT.match(line)
        extras |= {extra.strip() for extra in ((match and match[2]) or "").split(",")}
    return Wanted([*others, *_needs(extras, without)], source, hashed, fetched=False)


def needed() -> list[str]:
    """The names of the packages without which Demijohn does not run anywhere."""
    return sorted(name_of(line) for line in metadata.requires(NAME) or [] if ";" not in line)


def used_extras(root: Path) -> set[str]:
    """What the site uses of that which Demijohn does not always bring, as far as its settings tell."""
    from demijohn import config

    settings, _ = config.read(root)  # what is wrong with them is said elsewhere
    uses = {
        "postgresql": str(settings["database.url"]).startswith("postgresql"),
        "migrations": (root / "migrations").is_dir(),
        "redis": settings["session.type"] == "redis" or bool(settings["redis.url"]),
        "cookie": settings["session.type"] == "cookie",
        "sasl": bool(settings["memcached.username"]),
    }
    return {extra for extra, used in uses.items() if used}


def _needs(extras: set[str], without: Sequence[str]) -> list[str]:
    lines = []
    for line in metadata.requires(NAME) or []:
        extra = _EXTRA.search(line)
        if name_of(line) not in without and (extra is None or extra[1] in extras):
            lines.append(_EXTRA.sub("python_version > '0'", line))
    return lines


def _project(root: Path) -> tuple[list[str], str]:
    file = root / "pyproject.toml"
    project = _toml(file).get("project", {}) if file.is_file() else {}
    if "dependencies" not in project or project.get("name") == NAME:
        return [], "what Demijohn itself needs"
    return list(project["dependencies"]), file.name


def _toml(file: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError:  # Python 3.10
        try:
            from pip._vendor import tomli as tomllib  # type: ignore[no-redef]
        except ImportError:
            raise VendorError(f"Python 3.10 cannot read {file.name}. Write a requirements.txt instead.") from None
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except tomllib.TOMLDecodeError as error:
        raise VendorError(f"{file.name} cannot be read: {error}. Nothing was changed.") from error


def _lines(file: Path) -> Iterator[str]:
    """The requirements and options of a file, each on one line, with those of the files that it includes."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VendorError(f"The requirements in {file} cannot be read: {error}. Nothing was changed.") from error
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        option = re.match(r"(-r|--requirement|-c|--constraint|-f|--find-links|-e|--editable)[\s=]+(\S.*)", line)
        if not option:
            if line:
                yield " ".join(line.split())
        elif option[1] in ("-r", "--requirement"):
            yield from _lines(file.parent / option[2])
        elif option[1] in ("-e", "--editable"):
            raise VendorError(
                f"{file.name} has {line!r}, which leaves the package where it is. To have it carried along, write "
                f"{option[2]} alone."
            )
        else:
            beside = file.parent / option[2]
            yield f"{option[1]} {beside.absolute() if beside.exists() else option[2]}"


def name_of(line: str) -> str:
    match = _REQUIREMENT.match(line)
    return normal(match[1]) if match else ""
