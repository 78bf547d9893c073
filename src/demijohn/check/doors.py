"""F201 to F203: whether the host finds the site, and can read it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from demijohn.check.folder import Unreadable
from demijohn.check.subject import Subject
from demijohn.findings import Finding


def check(subject: Subject) -> Iterator[Finding]:
    door, name = wanted(subject)
    boot = subject.boot
    if not (subject.folder.root / door).is_file():
        message = f"There is no {door}, by which {subject.host.title} loads the site."
        yield Finding("F201", door, 0, message, "Copy it from a site that `demijohn new` makes.")
    elif door in boot.scopes and not {name, "*"} & boot.scopes[door].names.keys():
        message = f"{door} does not say what `{name}` is, and {subject.host.title} asks for that."
        yield Finding("F202", door, 0, message, f"Name the site so: {name} = ...")
    yield from _unreadable(subject)


def wanted(subject: Subject) -> tuple[str, str]:
    """The file by which this host comes in, and the name in it."""
    match = re.search(r"\b(\w+):(\w+)\b", subject.host.start)
    if match is not None and match[1] == "main":
        return "main.py", match[2]
    return (subject.host.door if subject.host.door in ("index.wsgi", "main.py") else "index.wsgi"), "application"


def _unreadable(subject: Subject) -> Iterator[Finding]:
    found = dict(subject.boot.unreadable)
    for path in subject.boot.sources:
        try:
            subject.folder.tree(path)
        except Unreadable as error:
            found[path] = error
    for path, fault in sorted(found.items()):
        yield Finding(
            "F203", path, fault.line, f"This file {fault.message}.", "Mend it; it has to be Python, in UTF-8."
        )
