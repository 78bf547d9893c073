"""A new site: a copy of the repository's own, or the smallest one that there is.

It is read from the repository where Demijohn runs from a checkout, and from `demijohn/starter/` where it was installed.
What differs from site to site is rendered from the templates in `files/`.
"""

from __future__ import annotations

import re
from pathlib import Path

import demijohn
from demijohn import hosts
from demijohn.deploy.starter.errors import NoStarterError
from demijohn.deploy.starter.origin import Origin, origin
from demijohn.deploy.starter.parts import below, parts

HERE = Path(__file__).parent
PACKAGE = Path(demijohn.__file__).parent
#: What the smallest site has of the repository's. The rest of it is in `bare/`.
SHARED = (
    "index.wsgi",
    "main.py",
    "gunicorn.conf.py",
    "config.yaml",
    "site-packages/README.md",
    "static/favicon.svg",
    "tests/__init__.py",
    "tests/serving.py",
)


def make(title: str, name: str, *, bare: bool = False) -> dict[str, bytes]:
    """The files of a new site: path, with slashes, to content.

    :param title: as its people call it: `Mein Café`.
    :param name: as its hosts call it: `mein-cafe`.
    :param bare: the smallest site instead of the guestbook.
    :raises NoStarterError: Demijohn was installed in part.
    """
    repository = find_repository()
    shared = below(PACKAGE / "starter") if repository is None else parts(repository)
    if not set(SHARED) <= set(shared):
        raise NoStarterError(repository or PACKAGE / "starter")
    chosen = {**{path: shared[path] for path in SHARED}, **below(HERE / "bare")} if bare else shared
    files = {path: file.read_bytes() for path, file in chosen.items()}
    files["config.yaml"] = _named(files["config.yaml"], name)
    return {**files, **_rendered(title, name, origin(repository), bare)}


def find_repository() -> Path | None:
    """The checkout of Demijohn that this one runs from, or None where it was installed."""
    root = PACKAGE.parents[1]
    return root if PACKAGE.parent.name == "src" and (root / "hatch_build.py").is_file() else None


def _named(settings: bytes, name: str) -> bytes:
    """config.yaml with its name, which YAML may want in quotes: on, null."""
    import yaml

    line = yaml.safe_dump({"name": name}).strip()
    text, count = re.subn(r"(?m)^name:.*$", line, settings.decode(), count=1)
    assert count, "config.yaml says no name"
    return text.encode()


def _rendered(title: str, name: str, source: Origin, bare: bool) -> dict[str, bytes]:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "files"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # none of these is HTML
    )
    known = {
        "title": title,
        "name": name,
        "bare": bare,
        "hosts": [host for host in hosts.names() if host != "local"],
        "requirement": source.requirement,
        "here": source.here.replace("$", "$$").replace("#", r"\#"),  # as make reads it
    }
    places = {
        "README.md": "README.md",
        "Makefile": "Makefile",
        "pyproject.toml": "pyproject.toml",
        "gitignore": ".gitignore",
        "conftest.py": "tests/conftest.py",
        **({"local.mk": "local.mk"} if source.here else {}),
    }
    return {place: environment.get_template(f"{file}.in").render(known).encode() for file, place in places.items()}
