"""Sites to be bundled: the guestbook with all its packages beside it, and small ones."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.ready import demijohn_run
from tests.sites import ROOT, clean_environment

#: What a site imports. The compiled parts of them are left out; they do without.
PACKAGES = (
    *("bottle", "beaker", "jinja2", "markupsafe", "multipart"),
    *("pymemcache", "pymysql", "sqlalchemy", "typing_extensions", "yaml"),
)
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
#: How a process that a test starts tells of what is compiled from source, and what is imported.
WATCH = """
import sys
compiled = []
def hook(event, arguments):
    if event == "compile" and arguments[1] is not None:
        compiled.append(str(arguments[1]))
sys.addaudithook(hook)
"""


def whole_site(folder: Path, packages: Sequence[str] = PACKAGES) -> Path:
    """Make `folder`, the guestbook with its packages in site-packages/, as `demijohn vendor` leaves them."""
    for name in ("app", "static", "views"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("config.yaml", "index.wsgi", "main.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, folder)
    # Of what no request imports, enough is left: to compile all of it would take twice as long.
    spared = ("check", "cli", "deploy", "rehearsal", "mssql", "oracle", "postgresql", "asyncio", "cyextension")
    unwanted = shutil.ignore_patterns("__pycache__", "*.so", "*.pyx", "*.pxd", "testing", *spared)
    for name in packages:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin)
        if source.name == "__init__.py":
            shutil.copytree(source.parent, folder / "site-packages" / name, ignore=unwanted)
        else:
            (folder / "site-packages").mkdir(exist_ok=True)
            shutil.copy(source, folder / "site-packages")
    shutil.copytree(ROOT / "src" / "demijohn", folder / "site-packages" / "demijohn", ignore=unwanted)
    return folder


def small_site(folder: Path, **files: str | bytes) -> Path:
    """Make `folder`, a site that serves nothing, for a host that installs everything.

    :param files: further files: two underscores are a slash in their names, and one is a dot: `app__page_py`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.wsgi").write_text("application = None\n")
    (folder / "src" / "demijohn").mkdir(parents=True)  # in the place of the one that would be carried along
    (folder / "src" / "demijohn" / "__init__.py").touch()
    for name, content in files.items():
        put(folder, name.replace("__", "/").replace("_", "."), content)
    return folder


def put(folder: Path, name: str, content: str | bytes = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def bundle(host: str, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `demijohn bundle` in a process of its own."""
    return demijohn_run("bundle", host, *words, folder=ROOT, environment=clean_environment(**(environ or {})))


def made(host: str, *words: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The same where it is to succeed: what --json says."""
    done = bundle(host, "--json", *words, environ=environ)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each file's content and mode."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }
