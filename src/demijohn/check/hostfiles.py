"""F209 to F211: the files that the host itself reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from demijohn.check.subject import Subject
from demijohn.findings import Finding

_PROCESS = r"(?m)^([A-Za-z0-9_-]+)\s*:"


def check(subject: Subject) -> Iterator[Finding]:
    wanted = subject.host.files(subject.plan)
    if subject.named:
        yield from _missing(subject, wanted)
    yield from _processes(subject, wanted.get("Procfile", ""))
    yield from _carriage_returns(subject, {*wanted, ".python-version"})


def _missing(subject: Subject, wanted: Mapping[str, str]) -> Iterator[Finding]:
    for path, text in sorted(wanted.items()):
        if (subject.folder.root / path).is_file():
            continue
        starts = re.search(r"gunicorn|main:app|application", text)  # what the site cannot be started without
        message = f"{subject.host.title} reads this file, and it is not there."
        fix = f"`demijohn deploy {subject.host.name}` writes it."
        yield Finding("F209", path, 0, message, fix, "error" if starts else "warning")


def _processes(subject: Subject, wanted: str) -> Iterator[Finding]:
    if not wanted or "Procfile" not in subject.folder.files:
        return
    names = {"web"} | ({"wsgi"} & set(re.findall(_PROCESS, wanted)))
    if not names & set(re.findall(_PROCESS, subject.folder.text("Procfile"))):
        line = re.search(r"(?m)^(web|wsgi)\s*:.*$", wanted)
        message = f"No line says how the site is started, so {subject.host.title} starts nothing."
        fix = f"Add: {line[0]}" if line else "Add a line that begins with web:"
        yield Finding("F210", "Procfile", 0, message, fix)


def _carriage_returns(subject: Subject, read: set[str]) -> Iterator[Finding]:
    files = subject.folder.files
    for path in sorted(path for path in files if path in read or path.endswith(".sh")):
        data = subject.folder.bytes(path)
        if b"\r\n" in data and not path.endswith((".py", ".yaml", ".toml", ".json", ".txt")):
            line = 1 + data.count(b"\n", 0, data.index(b"\r\n"))
            message = "The lines end as on Windows, and Linux takes the carriage return for a part of the last word."
            yield Finding(
                "F211", path, line, message, "Save it with plain line ends (LF); in .gitattributes: * text=auto eol=lf"
            )
