"""Make of packages as they are installed packages as they are carried: stripped, trimmed, and tried."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.vendor import contents, pure, trial, trim
from demijohn.deploy.vendor.contents import Installed
from demijohn.deploy.vendor.pure import Stripped, move
from demijohn.deploy.vendor.report import Package
from demijohn.deploy.vendor.target import Target


class Way(NamedTuple):
    """How packages are to be carried."""

    target: Target
    #: Why compiled files are left out, the beginning of a sentence; empty: they are not.
    pure: str
    keep_tests: bool
    #: What the site needs though it could do without: extras of Demijohn's, names of packages.
    uses: frozenset[str]
    #: The site's own Python files.
    site: tuple[Path, ...]


def pack(folder: Path, way: Way, origins: dict[str, str], scratch: Path) -> list[Package]:
    """Leave in `folder` what is to be carried.

    :param origins: where packages are from, by their names; a wheel, if it is not said.
    :param scratch: a folder on the same disk.
    :return: the packages, the largest first.
    :raises NotPureError: a package does not work without its compiled files.
    """
    python = trial.find_python(way.target.python)
    there = contents.read(folder)
    before = {installed.name: _measure(folder, installed.files) for installed in there}
    versions = {installed.name: installed.version for installed in there}
    stripped = pure.strip(folder, there, way.target, way.pure, way.uses, scratch, python) if way.pure else {}
    there = [_now(folder, installed) for installed in there if (folder / installed.info).is_dir()]
    spare = trim.superfluous(folder, there, way.site, way.keep_tests)
    for paths in spare.values():
        move(folder, scratch, paths)
    notes = _try(folder, there, spare, stripped, way.target, python, scratch)
    there = [_now(folder, installed) for installed in there]
    _sweep(folder, {path for installed in there for path in installed.files})
    left = {installed.name: installed for installed in there}
    packages = []
    for name in before:
        files = left[name].files if name in left else ()
        was, now = stripped.get(name, Stripped((), ())), _measure(folder, files)
        said = (*was.notes, *notes.get(name, ()))
        compiled = tuple(contents.compiled(folder, files))
        origin = origins.get(name, "wheel")
        packages.append(Package(name, versions[name], origin, *before[name], *now, compiled, was.dropped, said))
    return sorted(packages, key=lambda package: (-package.size, package.name))


def _try(
    folder: Path,
    there: list[Installed],
    spare: dict[str, list[str]],
    stripped: dict[str, Stripped],
    target: Target,
    python: str | None,
    scratch: Path,
) -> dict[str, tuple[str, ...]]:
    """Import each package, and give back what was taken from one that needs it. Returns what there is to say."""
    foreign = not target.is_here and any(contents.compiled(folder, installed.files) for installed in there)
    if python is None or foreign:
        return {}
    ours = {top for installed in there for top in installed.tops()}
    left = [_now(folder, one) for one in there]
    tops = {one.name: pure.proof(one, one.tops()) if one.name in stripped else one.tops() for one in left}
    failed = trial.failures(python, folder, [top for names in tops.values() for top in names], ours)
    notes: dict[str, tuple[str, ...]] = {}
    for name, modules in tops.items():
        if failed.keys().isdisjoint(modules):
            continue
        move(scratch, folder, [path for path in spare[name] if path.endswith(".py")])
        still = trial.failures(python, folder, modules, ours)
        if still:
            module, why = next(iter(still.items()))
            notes[name] = (f"import {module} fails here, as it would without what was left out: {why}",)
            move(folder, scratch, [path for path in spare[name] if (folder / path).is_file()])
        else:
            notes[name] = ("carried with its tests and documents, without which it cannot be imported",)
    return notes


def _now(folder: Path, installed: Installed) -> Installed:
    return installed._replace(files=tuple(path for path in installed.files if (folder / path).is_file()))


def _measure(folder: Path, paths: Iterable[str]) -> tuple[int, int]:
    """Bytes and number of these files."""
    sizes = [(folder / path).stat().st_size for path in paths]
    return sum(sizes), len(sizes)


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete what belongs to no package, such as programs and uv's lock, and folders that are empty."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before it
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in keep:
            path.unlink()
