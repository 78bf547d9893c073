"""F217 to F220: what goes along, against the host's limits, and what should stay at home."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from demijohn.check.folder import Folder
from demijohn.check.packages import carried_along
from demijohn.check.subject import Subject
from demijohn.deploy.bundle import private
from demijohn.findings import Finding


def check(subject: Subject) -> Iterator[Finding]:
    yield from _limits(subject)
    yield from _secrets(subject.folder)


def _limits(subject: Subject) -> Iterator[Finding]:
    limits, title, folder = subject.host.limits, subject.host.title, subject.folder
    if not (limits.file or limits.folder or limits.files or limits.total):
        return
    sizes = {path: folder.size(path) for path in folder.files | carried_along(subject)}
    for path, size in sorted(sizes.items()):
        if limits.file is not None and size > limits.file:
            message = f"This file has {size:,} bytes, and {title} takes none over {limits.file:,}."
            yield Finding("F217", path, 0, message, "Keep it in an object store, or leave it out.")
    for parent, count in sorted(Counter(path.rpartition("/")[0] for path in sizes).items()):
        if limits.folder is not None and count > limits.folder:
            message = f"This folder has {count:,} files, and {title} takes {limits.folder:,} at most."
            yield Finding("F218", parent, 0, message, "Spread them over several folders.")
    for count, most, unit in ((len(sizes), limits.files, "files"), (sum(sizes.values()), limits.total, "bytes")):
        if most is not None and count > most:
            message = f"The site has {count:,} {unit}, and {title} takes {most:,} at most."
            yield Finding("F219", "", 0, message, "`demijohn bundle` leaves out what the host does not need.")


def _secrets(folder: Folder) -> Iterator[Finding]:
    for path in sorted(folder.tracked or ()):
        place = folder.root / path
        if path.startswith("site-packages/") or not place.is_file() or not os.access(place, os.R_OK):
            continue
        fix = f"git rm --cached {path}, add it to .gitignore, and make new what it holds."
        if private.is_surely(place):
            message = "git holds this file, and with it everyone who can read the code has what is in it."
            yield Finding("F220", path, 0, message, fix)
        elif private.may_be(place) and place.stat().st_size:
            message = "git holds this file, which looks like one with secrets in it; no bundle takes it along."
            yield Finding("F220", path, 0, message, f"Unless it holds none: {fix}", "warning")
