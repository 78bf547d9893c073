"""Which files of a folder are served, under which names, and how a name carries the hash of its content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

#: What follows a file's name when it is asked for by its content: so many hexadecimal digits.
VERSION = 12
#: What lies in this folder is served at the root of the site.
ROOT = "root"
#: The one hidden folder that is served, at the root: RFC 8615.
WELL_KNOWN = ".well-known"
#: Files that browsers and crawlers look for at the root of the site; they may lie beside the others.
_AT_ROOT = frozenset(("robots.txt", "favicon.ico", "favicon.svg"))
_ICON = r"(?a:apple-touch-icon[\w-]*\.png)"  # not compiled where there is none
#: What nobody means to publish: source, byte code, settings, keys, databases, and what editors leave.
_REFUSED = frozenset(
    (
        *("py", "pyc", "pyo", "pyd", "pyi", "so", "wsgi", "php"),
        *("env", "ini", "cfg", "pem", "key", "p12", "pfx", "htpasswd"),
        *("sqlite", "sqlite3", "db", "sql", "bak", "orig", "rej", "swp", "tmp", "log"),
    )
)
_REFUSED_NAMES = frozenset(
    (
        *("config.yaml", "config.yml", "app.yaml", "app.yml", "app.secret.yaml", "docker-compose.yml", "render.yaml"),
        *("procfile", "dockerfile", "makefile", "requirements.txt", "pyproject.toml"),
    )
)
_REFUSED_FOLDERS = frozenset(("__pycache__", "node_modules"))
_HEX = frozenset("0123456789abcdef")


def is_refused(name: str) -> bool:
    """Whether a file of this name, without its folder, is never served."""
    lowered = name.lower()
    _, dot, suffix = lowered.rpartition(".")
    return (
        name[0] == "."
        or name[-1] == "~"
        or not name.isprintable()
        or "\\" in name
        or (dot != "" and suffix in _REFUSED)
        or lowered in _REFUSED_NAMES
    )


def files_in(root: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and path of each file to serve, below `prefix`. Links that lead out of the folder are none, nor are linked
    folders."""
    try:
        entries = list(os.scandir(os.path.join(root, prefix)))
    except OSError:
        return
    for entry in entries:
        name = entry.name
        if entry.is_file(follow_symlinks=False):
            if not is_refused(name):
                yield prefix + name, entry.path
        elif entry.is_dir(follow_symlinks=False):
            hidden = name[0] == "." and prefix + name != f"{ROOT}/{WELL_KNOWN}"
            if not hidden and name not in _REFUSED_FOLDERS and name.isprintable() and "\\" not in name:
                yield from files_in(root, f"{prefix}{name}/")
        elif not is_refused(name) and entry.is_file() and _is_within(entry.path, root):
            yield prefix + name, entry.path


def _is_within(path: str, root: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(root, ""))


def is_at_root(name: str) -> bool:
    """Whether the file `name` is served at the root as well."""
    return name in _AT_ROOT or (name.startswith("apple") and re.fullmatch(_ICON, name) is not None)


def root_address(name: str) -> str | None:
    """`ads.txt` of `root/ads.txt`: what the file is called at the root of the site; None: it is not there."""
    if name.startswith(f"{ROOT}/"):
        return name[len(ROOT) + 1 :]
    return name if is_at_root(name) else None


def with_version(name: str, version: str) -> str:
    """`css/style.8d1f6a0b3c5e.css`. In the name of the file and not of a folder, so that what a style sheet names from
    where it lies (`../img/wave.svg`) is still found."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.rpartition(".")
    return f"{folder}{slash}{stem}.{version}.{suffix}" if dot else f"{name}.{version}"


def without_version(name: str) -> tuple[str, str] | None:
    """The name and the version in `css/style.8d1f6a0b3c5e.css`; None where it holds none."""
    folder, slash, file = name.rpartition("/")
    parts = file.rsplit(".", 2)
    if len(parts) == 3 and is_version(parts[1]):
        return f"{folder}{slash}{parts[0]}.{parts[2]}", parts[1]
    stem, _, last = file.rpartition(".")
    return (f"{folder}{slash}{stem}", last) if stem and is_version(last) else None


def is_version(text: str) -> bool:
    return len(text) == VERSION and _HEX.issuperset(text)


def version_in(query: str) -> str | None:
    """The version in a query such as `v=8d1f6a0b3c5e`; None where it holds none."""
    for part in query.split("&"):
        if part.startswith("v=") and is_version(part[2:]):
            return part[2:]
    return None
