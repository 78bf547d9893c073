"""Dockerfile and .dockerignore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from demijohn.findings import Finding
from demijohn.hosts.plan import Plan
from demijohn.hosts.texts import existing

#: What an image had better not hold, where it is there.
_KEPT_OUT = (".git", ".venv", "venv", ".env")


def image(plan: Plan) -> Iterator[Finding]:
    text = existing(plan.root, "Dockerfile")
    if text:
        yield from _dockerfile(text)
        yield from _dockerignore(plan)


def _dockerfile(text: str) -> Iterator[Finding]:
    stage = _last_stage(text)
    for word in ("ENTRYPOINT", "CMD"):
        line, command = stage.get(word, (0, ""))
        if command and _behind_shell(command):
            yield Finding(
                "F257",
                "Dockerfile",
                line,
                f"{word} starts the server behind a shell, which keeps SIGTERM to itself: at each restart requests are "
                "cut off when the time is up.",
                f'Write it as a list, {word} ["gunicorn", "main:app"], or begin it with exec.',
            )
    line, user = stage.get("USER", (0, "root"))
    if user.partition(":")[0] in ("root", "0"):
        yield Finding(
            "F258",
            "Dockerfile",
            line,
            "The site runs as root in its container.",
            "Add a user, and USER with its name before CMD.",
            "warning",
        )


def _last_stage(text: str) -> dict[str, tuple[int, str]]:
    """The last of each instruction in the image that is run: its line, and what it says."""
    found: dict[str, tuple[int, str]] = {}
    number, start, whole = 0, 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not (line.strip() or whole):
            continue
        start = start or number
        whole += line.rstrip().removesuffix("\\")
        if line.rstrip().endswith("\\"):
            continue
        word, _, rest = whole.strip().partition(" ")
        if word.upper() == "FROM":
            found = {}
        found[word.upper()] = (start, rest.strip())
        start, whole = 0, ""
    return found


def _behind_shell(command: str) -> bool:
    """Whether a shell stays the parent of what is started."""
    if command.startswith("["):
        try:
            words = json.loads(command)
        except ValueError:
            return True  # Docker takes it for a shell's command then
        if not (len(words) > 2 and re.search(r"(^|/)(ba|da|)sh$", words[0]) and "c" in words[1]):
            return False
        command = words[2]
    return not re.search(r"(^|&&|;)\s*(\w+=\S*\s+)*exec\s", command)


def _dockerignore(plan: Plan) -> Iterator[Finding]:
    lines = (line.strip().strip("/").removeprefix("**/") for line in existing(plan.root, ".dockerignore").splitlines())
    patterns = set(lines)
    named = [name for name in _KEPT_OUT if (plan.root / name).exists() and name not in patterns]
    if named:
        yield Finding(
            "F260",
            ".dockerignore",
            0,
            f"{', '.join(named)} would be copied into the image.",
            f"Add to .dockerignore: {' '.join(named)}",
            "error" if ".env" in named else "warning",
        )
