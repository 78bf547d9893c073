"""Take out of packages what nothing imports where a site runs: their tests, their documents, the sources of what is
compiled.

Whether a folder called tests is used is not guessed: every import of what remains is looked at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from demijohn.deploy.vendor.contents import DROPPED_INFO, Installed

TESTS = frozenset(("test", "tests", "testing", "_tests"))
DOCUMENTS = frozenset(("doc", "docs", "example", "examples"))
#: Installed beside the packages: programs, manuals, headers.
_BESIDE = ("bin/", "Scripts/", "include/", "share/man/", "share/doc/")
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx")
#: Files outside such a folder that are a part of it: SQLAlchemy's tests of dialects make databases by them.
_PARTS = {"sqlalchemy/testing": re.compile(r"sqlalchemy/dialects/\w+/provision\.py")}
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def superfluous(folder: Path, there: list[Installed], site: Iterable[Path], keep_tests: bool) -> dict[str, list[str]]:
    """The files that nothing needs, by the names of their packages.

    :param site: the site's own Python files, which may import more of a package than it does itself.
    """
    gone: dict[str, list[str]] = {}
    for installed in there:
        texts = "\n".join(_text(folder / path) for path in installed.files if path.endswith(".py"))
        gone[installed.name] = [path for path in installed.files if _is_never_read(path, texts)]
    folders = {} if keep_tests else _spare_folders(there)
    used = _used(folder, there, list(site), folders)
    for place, (name, files) in folders.items():
        if place not in used:
            gone[name] = sorted({*gone[name], *files})
    return gone


def _is_never_read(path: str, texts: str) -> bool:
    """:param texts: the package's Python, which may read files of its own by their names"""
    name = path.rpartition("/")[2]
    if path.startswith(_BESIDE) or "__pycache__/" in path or path.endswith(".pyc"):
        return True
    if path.split("/")[0].endswith(".dist-info"):
        return path.count("/") == 1 and name in DROPPED_INFO
    if not path.endswith(_SOURCES):
        return False
    # lazy_loader reads from stubs what a package has.
    return name not in texts and not (name.endswith(".pyi") and "attach_stub" in texts)


def _spare_folders(there: list[Installed]) -> dict[str, tuple[str, list[str]]]:
    """The folders that might be spared, by their dotted names: the package, and the files."""
    found: dict[str, tuple[str, list[str]]] = {}
    for installed in there:
        tops = {path.split("/")[0] for path in installed.files if not path.startswith((installed.info, *_BESIDE))}
        for path in installed.files:
            parts = path.split("/")[:-1]
            at = next((at for at, part in enumerate(parts) if part in TESTS or (part in DOCUMENTS and at < 2)), None)
            # A package may be called so itself; what has put more beside it has packed its tests by mistake.
            if at is None or path.startswith(_BESIDE) or (at == 0 and len(tops) == 1) or ".dist-info" in parts[0]:
                continue
            found.setdefault(".".join(parts[: at + 1]), (installed.name, []))[1].append(path)
        for folder, part in _PARTS.items():  # not written with dots, for this file is carried along and read as well
            name, files = found.get(folder.replace("/", "."), ("", []))
            if name == installed.name:
                files.extend(path for path in installed.files if part.fullmatch(path))
    return found


def _used(folder: Path, there: list[Installed], site: list[Path], spare: dict[str, tuple[str, list[str]]]) -> set[str]:
    """Those of the folders that are imported, or named, by what is not in them."""
    words = _words({place.rpartition(".")[2] for place in spare})
    inside = {path: place for place, (_, files) in spare.items() for path in files}
    used: set[str] = set()
    paths = [(path, folder / path) for installed in there for path in installed.files if path not in inside]
    rest = [*((path, file) for path, file in paths if not path.startswith(_BESIDE)), *(("", path) for path in site)]
    while rest:
        named = {name for path, file in rest for name in _names(path, file, words)}
        fresh = {place for place in spare.keys() - used if any(_means(name, place) for name in named)}
        used |= fresh  # what they import in turn is used as well
        rest = [(path, folder / path) for place in fresh for path in spare[place][1]]
    return used


def _means(name: str, place: str) -> bool:
    top, colon, end = name.partition(":")
    if colon:
        return place.startswith(f"{top}.") and f"{end}." in f"{place}."
    return f"{name}.".startswith(f"{place}.")


def _words(names: set[str]) -> re.Pattern[str]:
    """What a text looks like that may import a module of one of these names. To parse all texts would take seconds."""
    some = "|".join(sorted(names)) or "(?!)"
    lines = (
        rf"import\b.*\b(?:{some})\b|from\b.*\b(?:{some})\b.*\bimport\b|^[\s\w,()]*\b(?:{some})\b[\s\w,()]*(?:#.*|\\)?$"
    )
    texts = rf"""["'][^"'\n]*\b(?:{some})\b[^"'\n]*["']"""
    return re.compile(f"{lines}|{texts}", re.MULTILINE)


def _names(path: str, file: Path, words: re.Pattern[str]) -> Iterator[str]:
    """The dotted names that a file imports or speaks of; those with none of the words in question may be missing."""
    if path.endswith("entry_points.txt"):
        yield from (match[0] for match in _DOTTED.finditer(_text(file)))
    if not (path.endswith(".py") or not path):
        return
    text = _text(file)
    if not words.search(text):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # written for another Python
        yield from (match[0] for match in _DOTTED.finditer(text))
        return
    # A module is in its folder's package, and so is a package's __init__.
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _constant(node.value, package)


def _constant(value: str, package: list[str]) -> Iterator[str]:
    """A module's name, to import it later; or the path of a folder, to open what lies there."""
    if _DOTTED.fullmatch(value):
        yield value
    elif package and value.startswith(".") and _DOTTED.fullmatch("a" + value):  # import_module(".tests", somewhere)
        yield f"{package[0]}:{value}"
    parts = value.strip("/").split("/")
    for at, part in enumerate(parts):
        if part in DOCUMENTS:
            yield ".".join([*package, *parts[: at + 1]])
            yield ".".join([*package[:1], part])


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
