"""Leave compiled files out of packages that also work without them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Set
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from demijohn.deploy.vendor import trial
from demijohn.deploy.vendor.contents import Installed, compiled, is_library, requirements
from demijohn.deploy.vendor.errors import NotPureError
from demijohn.deploy.vendor.known import DISPENSABLE, FALLS_BACK, NEEDS
from demijohn.deploy.vendor.target import Target, running


class Stripped(NamedTuple):
    """What was done to one package."""

    #: The compiled files that are gone.
    dropped: tuple[str, ...]
    #: Sentences.
    notes: tuple[str, ...]
    #: The package is gone as a whole.
    gone: bool = False


def strip(
    folder: Path, there: list[Installed], target: Target, because: str, uses: Set[str], aside: Path, python: str | None
) -> dict[str, Stripped]:
    """Take all compiled files out of `folder`.

    :param because: why that is wanted, the beginning of a sentence.
    :param uses: what must not be left out whole: extras of Demijohn's, and names of packages.
    :param aside: a folder on the same disk to move them to.
    :param python: a Python of the target's version on this machine, if there is one.
    :return: by the names of the packages that had any.
    :raises NotPureError: with all packages that do not work without theirs.
    """
    files = {one.name: tuple(compiled(folder, one.files)) for one in there}
    ours = {top for one in there for top in one.tops()}
    stripped = _leave_out(folder, there, files, uses)
    move(folder, aside, [path for paths in files.values() for path in paths])
    refusals = {}
    for one in there:
        if files[one.name] and one.name not in stripped:
            trial_run = _Trial(folder, aside, one, files[one.name], target, ours, python)
            refusal, note = trial_run.refusal()
            stripped[one.name] = Stripped(files[one.name], (note,) if note else ())
            if refusal:
                refusals[one.name] = refusal
    if refusals:
        raise NotPureError(refusals, because)
    return stripped


def _leave_out(
    folder: Path, there: list[Installed], files: dict[str, tuple[str, ...]], uses: Set[str]
) -> dict[str, Stripped]:
    """Remove the packages with compiled files that the site can do without."""
    gone: dict[str, Stripped] = {}
    for name, known in DISPENSABLE.items():
        if (
            not files.get(name)
            or {name, known.extra, *known.along} & uses
            or not files.keys().isdisjoint(known.needed_by)
        ):
            continue
        leaving = {name, *known.along}
        requirers = {one.name: requirements(folder, one) - {one.name} for one in there if one.name not in gone}
        others = {wanted for one, wants in requirers.items() if one not in {*leaving, "demijohn"} for wanted in wants}
        if known.extra and name in others:
            continue
        for one in there:
            if one.name == name or (one.name in known.along and one.name not in others | uses):
                _remove(folder, one)
                gone[one.name] = Stripped(files[one.name], (f"left out whole: {known.then}",), gone=True)
    return gone


def proof(installed: Installed, usual: list[str]) -> list[str]:
    """The modules of a package by whose import is known that it works without compiled files; `usual`, where nothing
    special is known."""
    return list(FALLS_BACK.get(installed.name, ())) or usual


class _Trial(NamedTuple):
    folder: Path
    aside: Path
    installed: Installed
    dropped: tuple[str, ...]
    target: Target
    ours: set[str]
    python: str | None

    def refusal(self) -> tuple[str, str]:
        """Why the package does not work, or ""; and what else there is to say of it, or ""."""
        name, version = self.installed.name, self.target.python
        programs = [path for path in self.dropped if not is_library(path)]
        modules = proof(self.installed, self.installed.modules())
        if name in NEEDS:
            return NEEDS[name], ""
        if programs:
            return f"it runs a program of its own, {programs[0]}", ""
        if not modules:
            return "it is nothing but compiled files", ""
        if self.python is None and name in FALLS_BACK:
            return "", f"known to work without its compiled files; not tried, for there is no Python {version} here"
        failed = self._failures(self.python or sys.executable, modules)
        if not failed:
            return "", "" if self.python else f"tried with Python {running()}, for there is no {version} here"
        module, why = next(iter(failed.items()))
        return f"import {module}: {why}", ""

    def _failures(self, python: str, modules: list[str]) -> dict[str, str]:
        """What cannot be imported, unless it cannot with the compiled files either."""
        failed = trial.failures(python, self.folder, modules, self.ours)
        if failed and self.target.is_here and self.python:
            move(self.aside, self.folder, self.dropped)
            before = trial.failures(python, self.folder, list(failed), self.ours)
            move(self.folder, self.aside, self.dropped)
            failed = {module: why for module, why in failed.items() if module not in before}
        return failed


def move(source: Path, target: Path, paths: Iterable[str]) -> None:
    """Move files, those that are there, from one folder to the same place in another. A folder that becomes empty goes:
    Python would import it."""
    for path in paths:
        if (source / path).is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source / path, target / path)
            with suppress(OSError):
                (source / path).parent.rmdir()


def _remove(folder: Path, installed: Installed) -> None:
    for path in installed.files:
        (folder / path).unlink(missing_ok=True)
    shutil.rmtree(folder / installed.info)
