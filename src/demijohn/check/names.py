"""F225 to F228: files whose names get in the way."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator

from demijohn.check.packages import requirements
from demijohn.check.subject import Subject
from demijohn.findings import Finding

#: What Demijohn and its servers import by these names.
_IMPORTED = (
    *("alembic", "beaker", "bmemcached", "bottle", "cryptography", "demijohn", "greenlet", "gunicorn", "jinja2"),
    *("markupsafe", "multipart", "psycopg", "pylibmc", "pymemcache", "pymysql", "redis", "sqlalchemy", "tqdm", "yaml"),
)
#: Refused by Windows, and by hosts whose storage is older than this rule.
_REFUSED = r'["*?<>|:\\\x00-\x1f\x7f]|[. ]$'


def check(subject: Subject) -> Iterator[Finding]:
    for part in (_hiding, _refused, _case, _links):
        yield from part(subject)


def _hiding(subject: Subject) -> Iterator[Finding]:
    files = subject.folder.files
    listed = {name.replace("-", "_") for name in requirements(subject.folder).names}
    for path in sorted(files):
        match = re.fullmatch(r"(\w+)(\.py|/__init__\.py)", path)
        if match is None:
            continue
        name = match[1]
        if name in sys.stdlib_module_names:
            what = "Python's own module"
        elif name in _IMPORTED or name in listed:
            what = "the package"
        else:
            if match[2] == ".py" and f"{name}/__init__.py" in files:
                message = f"{path} is never loaded: the folder {name}/ beside it has the same name and comes first."
                yield Finding("F225", path, 0, message, "Give one of them another name.")
            continue
        message = (
            f"{path} hides {what} {name}: the site's folder comes first, and whatever imports {name} gets this file."
        )
        yield Finding("F225", path, 0, message, "Give it another name.")


def _refused(subject: Subject) -> Iterator[Finding]:
    for path in sorted(subject.folder.files):
        try:
            path.encode()
            shown, bad = path, any(re.search(_REFUSED, part) for part in path.split("/"))
        except UnicodeEncodeError:
            shown, bad = os.fsencode(path).decode("utf-8", "replace"), True
        if bad:
            message = "This name holds characters that Windows and some hosts cannot store."
            yield Finding("F226", shown, 0, message, "Give it a name without them, in UTF-8.", "warning")


def _case(subject: Subject) -> Iterator[Finding]:
    same = defaultdict(list)
    for path in sorted(subject.folder.files):
        same[path.casefold()].append(path)
    for first, *others in same.values():
        for path in others:
            message = f"This name differs from {first} in case only: macOS and Windows keep one of the two."
            yield Finding("F227", path, 0, message, "Give one of them another name.", "warning")


def _links(subject: Subject) -> Iterator[Finding]:
    root = os.path.realpath(subject.folder.root)
    for path in sorted(subject.folder.files):
        place = subject.folder.root / path
        if place.is_symlink() and not os.path.join(os.path.realpath(place), "").startswith(os.path.join(root, "")):
            message = f"This is a link to {os.readlink(place)}, which lies outside the folder and stays behind."
            yield Finding("F228", path, 0, message, "Put the file itself there.")
