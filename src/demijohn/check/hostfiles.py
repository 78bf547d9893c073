"""F209 to F211 and F230: the files that the host itself reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from demijohn.check.subject import Subject
from demijohn.findings import Finding

#: What nginx lets through; 1 MB where it is told nothing, and everything where it is told 0.
_BODY = re.compile(r"(?mi)^\s*client_max_body_size\s+(\d+)([kmg]?)\s*;")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_PROCESS = r"(?m)^([A-Za-z0-9_-]+)\s*:"


def check(subject: Subject) -> Iterator[Finding]:
    wanted = subject.host.files(subject.plan)
    if subject.named:
        yield from _missing(subject, wanted)
    yield from _processes(subject, wanted.get("Procfile", ""))
    yield from _carriage_returns(subject, {*wanted, ".python-version"})
    yield from _bodies(subject, wanted)


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


def _bodies(subject: Subject, wanted: Mapping[str, str]) -> Iterator[Finding]:
    most = subject.plan.body_limit
    for path in sorted(path for path, text in wanted.items() if _BODY.search(text) and path in subject.folder.files):
        text = subject.folder.text(path)
        said = _BODY.search(text)
        let = int(said[1]) * _UNITS[said[2].lower()] if said else 1024**2
        if 0 < let < most:
            line = 1 + text.count("\n", 0, said.start(1)) if said else 0
            message = (
                f"nginx lets {let:,} bytes through, and the site takes {most:,}: what lies between is refused before "
                "the site can say why."
            )
            fix = f"`demijohn deploy {subject.host.name}` writes it; then copy it to where nginx reads it."
            yield Finding("F230", path, line, message, fix)
