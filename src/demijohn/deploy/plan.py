"""What there is to tell a host's profile of a site, from its settings and its folder. The site itself is not loaded."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from demijohn import config
from demijohn.deploy import bodies
from demijohn.deploy.errors import DeployError, PythonVersionError
from demijohn.errors import ConfigError
from demijohn.hosts import Host, Plan
from demijohn.static.names import is_at_root

#: The longest name that every host takes: Heroku's and Fly's.
LONGEST_NAME = 30


def make_plan(root: Path | str, host: Host, python: str | None = None, user: str | None = None) -> Plan:
    """The site in the folder `root`, as `host` is to be told of it.

    :param python: `3.13`; by default what `.python-version` says, else the running Python if the host has it, else the
        host's newest.
    :param user: the user's name at a host that names folders and addresses after it.
    :raises ConfigError: config.yaml holds a mistake.
    :raises DeployError: nobody can be called `user`.
    :raises PythonVersionError: the host does not have that Python.
    """
    root = Path(root).absolute()
    if user and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", user, re.ASCII):
        raise DeployError(f"--user {user!r} can be no user's name: that is a word of letters and digits.")
    _refuse_mistakes(root)
    settings = host_settings(root, host)
    source = demijohn_folder(root)
    return Plan(
        root=root,
        name=site_name(root),
        python=_python(root, host, python),
        static_url="/" + settings["static.url"].strip("/"),
        static_path=settings["static.path"],
        at_root=_at_root(root / settings["static.path"]),
        database=bool(settings["database.url"]),
        migrations=any((root / "migrations" / "versions").glob("*.py")),
        workers=settings["server.workers"],
        threads=settings["server.threads"],
        body_limit=bodies.widest(root, settings),
        demijohn=f"PYTHONPATH={source} python -m demijohn" if source else "demijohn",
        **({"user": user} if user else {}),
    )


def site_name(root: Path) -> str:
    """The name in config.yaml, else the folder's: small letters, digits and hyphens, a letter first, at most 30."""
    name = root.name
    if (root / "config.yaml").is_file():
        from demijohn.config import document

        given = document.read(root / "config.yaml").name
        name = str(given.value) if given is not None else name
    name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not name[:1].isalpha():
        name = f"site-{name}".strip("-")
    return name[:LONGEST_NAME].strip("-")


def demijohn_folder(root: Path) -> str:
    """The folder within the site's where Demijohn lies, as index.wsgi looks for it: `site-packages`, `src`; empty where
    the host is to install it."""
    return next((name for name in ("site-packages", "src") if (root / name / "demijohn").is_dir()), "")


def host_settings(root: Path, host: Host) -> Any:
    """The settings as this host would see them."""
    # A database that the host gives says nothing of whether this site has one; config.yaml does.
    environ = {name: value for name, value in host.environ.items() if name != "DATABASE_URL"}
    return config.read(root, environ={**environ, "DEMIJOHN_HOST": host.name}, base={})[0]


def _refuse_mistakes(root: Path) -> None:
    """What is wrong with config.yaml on any host. Of what a host lacks, such as the secret, `demijohn check` tells."""
    _, problems = config.read(root, environ={"DEMIJOHN_HOST": "local"}, base={"environment": "development"})
    mistakes = [problem for problem in problems if problem.source.startswith("config.yaml")]
    if mistakes:
        raise ConfigError(mistakes)


def _python(root: Path, host: Host, given: str | None) -> str:
    written = _written_python(root)
    for version, source in ((given, "--python"), (written, ".python-version")):
        if version is not None:
            known = re.fullmatch(r"3\.\d{1,2}", version) and (not host.pythons or version in host.pythons)
            if not known:
                raise PythonVersionError(version, source, host.title, host.pythons)
            return version
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not host.pythons or running in host.pythons:
        return running
    return host.pythons[-1]


def _written_python(root: Path) -> str | None:
    """`3.13` of a `.python-version` that says 3.13 or 3.13.1; None where it says something else, or is not there."""
    try:
        words = (root / ".python-version").read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    version = re.fullmatch(r"(3\.\d+)(\.\d+)?", words[0]) if words else None
    return version[1] if version else None


def _at_root(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if is_at_root(path.name) and path.is_file()))
