"""F204 to F208, F212 to F216, F229: the packages that the site needs, and the Python that is to run them."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import NamedTuple

from demijohn.check.boot import DOORS
from demijohn.check.folder import CARRIED, Folder, line_of
from demijohn.check.subject import Subject
from demijohn.findings import Finding

LIST = "requirements.txt"
_LISTS = (LIST, "uv.lock", "poetry.lock", "Pipfile.lock")
#: Modules that a server brings along.
_GIVEN = frozenset(("sae", "uwsgi", "uwsgidecorators", "mod_wsgi"))


class Requirements(NamedTuple):
    """What requirements.txt names."""

    #: Names as PyPI spells them in its addresses, and the extras of each.
    names: dict[str, set[str]]
    #: The first line with a package that has no fixed version, or no hash; 0: none.
    loose: int
    #: Some lines are addresses or folders, of which nobody knows here what they bring.
    unknown: bool


def check(subject: Subject) -> Iterator[Finding]:
    for part in (_pythons, _lists, _environment, _needed, _imported, _loose, _compiled, _nothing_carried):
        yield from part(subject)


def carried_along(subject: Subject) -> frozenset[str]:
    """The files in site-packages/ that go to this host, if the folder goes there as it is. A bundle is filled anew, so
    that what lies there says nothing of a host that nobody has named."""
    folder = subject.folder
    if not subject.host.installs:
        return folder.carried if subject.named else frozenset()
    return folder.carried if folder.tracked is None else folder.carried & folder.tracked


def requirements(folder: Folder) -> Requirements:
    """What the folder's requirements.txt names, and the lists that it refers to."""
    names: dict[str, set[str]] = {}
    loose, unknown, paths = 0, False, [LIST]
    for path in paths:  # grows
        for number, line in _lines(folder.text(path)):
            other = re.match(r"(?:-r|--requirement)[\s=]+(\S+)", line)
            match = re.match(r"([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?\s*(?![\w./:-])", line)
            if other and other[1] not in paths:
                paths.append(other[1])
            elif match is not None and line != ".":
                names.setdefault(_normal(match[1]), set()).update(re.findall(r"[\w-]+", match[2] or ""))
                if not re.search(r"==.*--hash=|@.*#sha", line) and path == LIST:
                    loose = loose or number
            elif not line.startswith("-") or re.match(r"-e|--editable", line):
                unknown = True
    return Requirements(names, loose, unknown)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines, those that a backslash joins as one, with the number of the first."""
    start, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        if joined + line:
            yield start, (joined + line).strip()
        start, joined = 0, ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pythons(subject: Subject) -> Iterator[Finding]:
    folder, host = subject.folder, subject.host
    if "runtime.txt" in folder.files and host.installs and "runtime.txt" not in host.files(subject.plan):
        message = "runtime.txt is deprecated, and where it is still read it wins over .python-version."
        yield Finding("F206", "runtime.txt", 0, message, "Write the version into .python-version: 3.13", "warning")
    if ".python-version" not in folder.files or not host.installs:
        return
    text = folder.text(".python-version")
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    line = line_of(text, r"^\s*[^#\s]")
    match = re.fullmatch(r"(3\.\d+)(\.\d+)?", words[0]) if len(words) == 1 else None
    if match is None:
        message = "This is not a version as hosts read it."
        yield Finding(
            "F207", ".python-version", line, message, "One line, such as 3.13, without quotes and without python-."
        )
    elif host.pythons and match[1] not in host.pythons:
        message = f"{host.title} has no Python {match[1]}."
        yield Finding("F208", ".python-version", line, message, f"Write one that it has: {', '.join(host.pythons)}.")


def _lists(subject: Subject) -> Iterator[Finding]:
    found = [name for name in _LISTS if name in subject.folder.files]
    if len(found) > 1 and subject.host.installs:
        message = f"Beside it lies {found[0]}: Heroku refuses two lists of packages, and others believe either."
        yield Finding("F204", found[1], 0, message, "Keep one of them in git.")


def _environment(subject: Subject) -> Iterator[Finding]:
    for path in sorted(subject.folder.tracked or ()):
        if path.endswith("/pyvenv.cfg"):
            folder = path.removesuffix("/pyvenv.cfg")
            message = "git holds a virtual environment, which works on no other machine. Heroku refuses it."
            yield Finding("F205", path, 0, message, f"git rm -r --cached {folder}, and add {folder}/ to .gitignore.")


def _needed(subject: Subject) -> Iterator[Finding]:
    server = subject.host.start.split(" ")[0]
    if LIST not in subject.folder.files or not subject.host.installs or server != "gunicorn":
        return
    listed = requirements(subject.folder)
    if not listed.unknown and server not in _closure(listed.names):
        message = f"{subject.host.title} starts the site by {server}, which is not among the packages."
        yield Finding(
            "F212", LIST, 0, message, f"Add {server}; `demijohn deploy {subject.host.name}` writes the list anew."
        )


def _imported(subject: Subject) -> Iterator[Finding]:
    carried = {re.split("[.-]", path.split("/")[1])[0] for path in carried_along(subject)}
    beside = {path.split("/")[1] for path in subject.folder.files if path.startswith("src/") and path.count("/") > 1}
    beside |= _on_the_path(subject)
    if not subject.host.installs:
        known: Iterable[str] = ()
        where = f"{CARRIED}/"
        if carried <= {"demijohn"}:
            return  # F229
    else:
        listed = requirements(subject.folder)
        where = LIST
        if LIST not in subject.folder.files or listed.unknown:
            return
        known = _closure(listed.names)
    told = set()
    for path, line, name in subject.boot.imports:
        if name in told or name in sys.stdlib_module_names or name in carried | beside | _GIVEN:
            continue
        told.add(name)
        if not {_normal(package) for package in _packages().get(name, [name])} & set(known):
            message = f"{name} is imported, and nothing in {where} brings it: the site does not start."
            if where != LIST:
                fix = "Run `demijohn vendor` again."
            elif any(path.split("/")[1] == name for path in subject.folder.carried):
                fix = f"It lies in {CARRIED}/, which git leaves out: git add --force '{CARRIED}/{name}*'"
            else:
                fix = f"Add its package to {LIST}."
            yield Finding("F213", path, line, message, fix)


def _on_the_path(subject: Subject) -> set[str]:
    """Modules in folders of the site's own, where its code says where else modules are looked for."""
    calls = (call for call in subject.boot.calls if call.path not in DOORS)
    if not any(re.fullmatch(r"sys\.path\.(insert|append|extend)|site\.addsitedir", call.name) for call in calls):
        return set()
    found = (re.fullmatch(r".+?/([^/]+?)(\.py|/__init__\.py)", path) for path in subject.folder.files)
    return {match[1].rpartition("/")[2] for match in found if match}


@functools.lru_cache(maxsize=1)
def _packages() -> dict[str, list[str]]:
    """Which package brings a module, of those that are installed here."""
    return {name: list(packages) for name, packages in metadata.packages_distributions().items()}


def _closure(names: dict[str, set[str]]) -> set[str]:
    """These packages and what they need, as far as they are installed here."""
    found: dict[str, set[str]] = {}
    waiting = list(names.items())
    while waiting:
        name, extras = waiting.pop()
        if name in found and extras <= found[name]:
            continue
        found[name] = found.get(name, set()) | extras
        for need in _needs(name):
            extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)", need)
            match = re.match(r"([\w.-]+)\s*(?:\[([^\]]*)\])?", need)
            if match and (extra is None or extra[1] in found[name]):
                waiting.append((_normal(match[1]), set(re.findall(r"[\w-]+", match[2] or ""))))
    return set(found)


@functools.lru_cache(maxsize=1000)
def _needs(name: str) -> tuple[str, ...]:
    """What a package says that it needs; nothing, where it is not installed here."""
    try:
        return tuple(metadata.requires(name) or ())
    except metadata.PackageNotFoundError:
        return ()


def _loose(subject: Subject) -> Iterator[Finding]:
    if LIST in subject.folder.files and subject.host.installs and (line := requirements(subject.folder).loose):
        message = "A package without a fixed version and a hash: the next push may install another one, unseen."
        fix = f"`demijohn deploy {subject.host.name}` writes the list with both."
        yield Finding("F214", LIST, line, message, fix, "warning")


def _compiled(subject: Subject) -> Iterator[Finding]:
    compiled = sorted(path for path in carried_along(subject) if path.endswith((".so", ".pyd", ".dylib")))
    if compiled and not subject.host.native:
        message = f"{subject.host.title} lets no compiled package in, and here {_are(len(compiled))}."
        yield Finding("F215", compiled[0], 0, message, "`demijohn vendor --pure` fills the folder without them.")
        return
    tag = "cpython-" + subject.plan.python.replace(".", "")
    others = [path for path in compiled if (m := re.search(r"\.(cpython-3\d+)", path)) and m[1] != tag]
    others = [path for path in others if not any(re.sub(r"cpython-3\d+", tag, path) == other for other in compiled)]
    if others:
        python = subject.plan.python
        message = f"This is compiled for another Python than the {python} that is to run it; {_are(len(others))}."
        yield Finding("F216", others[0], 0, message, f"`demijohn vendor --python {python}` fills the folder anew.")


def _are(count: int) -> str:
    return "there is one such file" if count == 1 else f"there are {count} such files"


def _nothing_carried(subject: Subject) -> Iterator[Finding]:
    others = [path for path in subject.folder.carried if not path.startswith(f"{CARRIED}/demijohn")]
    if subject.named and not subject.host.installs and not others:
        message = (
            f"{subject.host.title} installs nothing, and {CARRIED}/ is empty: as it is, the folder cannot go there."
        )
        fix = f"Upload what `demijohn bundle {subject.host.name}` makes, or fill it by `demijohn vendor`."
        yield Finding("F229", CARRIED, 0, message, fix, "warning")
