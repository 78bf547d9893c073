"""app.yaml, cron.yaml and .gcloudignore."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from demijohn.findings import Finding
from demijohn.hosts.checks import line_of, read_yaml
from demijohn.hosts.plan import Plan
from demijohn.hosts.texts import existing

#: What must not be uploaded, where it is there.
_KEPT_BACK = ("tests", ".git", ".venv", "venv", "app.secret.yaml")


def app_engine(plan: Plan, pythons: Sequence[str]) -> Iterator[Finding]:
    yield from _app_yaml(plan, pythons)
    yield from _cron_yaml(plan)
    yield from gcloudignore(plan)


def _app_yaml(plan: Plan, pythons: Sequence[str]) -> Iterator[Finding]:
    text = existing(plan.root, "app.yaml")
    if not text:
        return
    values, unread = read_yaml("F250", "app.yaml", text)
    yield from unread or _refused("F250", "app.yaml", text, "appinfo", "LoadSingleAppInfo")
    runtime = str(values.get("runtime", ""))
    known = [f"python{version.replace('.', '')}" for version in pythons]
    if values and runtime not in known:
        yield Finding(
            "F251",
            "app.yaml",
            line_of(text, r"^runtime\s*:"),
            f"App Engine does not take a new version of the runtime {runtime or '(none)'}.",
            f"Write runtime: {known[-2]}; there are {', '.join(known)}.",
        )


def _cron_yaml(plan: Plan) -> Iterator[Finding]:
    text = existing(plan.root, "cron.yaml")
    if text:
        _, unread = read_yaml("F253", "cron.yaml", text)
        yield from unread or _refused("F253", "cron.yaml", text, "croninfo", "LoadSingleCron")


def _refused(code: str, path: str, text: str, module: str, function: str) -> list[Finding]:
    """What Google's own reader says, where it is installed."""
    read: Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its packages use what Python is about to drop
        try:
            import importlib

            read = getattr(importlib.import_module(f"google.appengine.api.{module}"), function)
        except ImportError:
            return []
        try:
            read(text)
        except Exception as error:
            fix = "Mend it, or delete it and have it written anew: demijohn deploy gae."
            return [Finding(code, path, _line(text, str(error)), f"App Engine refuses {path}: {_said(error)}", fix)]
    return []


def _said(error: Exception) -> str:
    """What it says of the fault, without the objects that it prints and the place in the file."""
    lines = str(error).split("\n  in ")[0].splitlines()
    return " ".join(line for line in lines if not line.startswith(("<", " ")))


def _line(text: str, said: str) -> int:
    """The key that it names, or else where its reader stood: behind the fault, and at times behind the file's end."""
    key = re.match(r"Unexpected attribute '(\w+)'", said)
    if key and (line := line_of(text, rf"^\W*{key[1]}\s*:")):
        return line
    mark = re.search(r"\(line: (\d+)\)", said)
    return min(int(mark[1]), len(text.splitlines())) if mark else 0


def gcloudignore(plan: Plan) -> Iterator[Finding]:
    """What would be uploaded, and should not be."""
    text = existing(plan.root, ".gcloudignore")
    if not text:
        return
    patterns = {line.strip().strip("/").removesuffix("/**") for line in text.splitlines()}
    if "#!include:.gitignore" in text:
        patterns |= {line.strip().strip("/") for line in existing(plan.root, ".gitignore").splitlines()}
    named = [name for name in _KEPT_BACK if (plan.root / name).exists() and name not in patterns]
    if named:
        yield Finding(
            "F252",
            ".gcloudignore",
            0,
            f"{', '.join(named)} would be uploaded with the site.",
            f"Add to .gcloudignore: {' '.join(f'/{name}' for name in named)}",
            "error" if "app.secret.yaml" in named else "warning",
        )
