"""The cold start of a bundle beside that of the same folder as it lies, its packages with it: where nothing can be
written, in a Python that has no packages, up to the first answer."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.services import Services
from demijohn import hosts
from demijohn.deploy.bundle import make
from tests.bundles import RUNNING, whole_site
from tests.readonly import readonly

#: Takes the path of index.wsgi and of a page. Prints the milliseconds of CPU that the process has taken.
_PROGRAM = """
import io, os, sys, time
door, path = sys.argv[1:]
space = {"__file__": door, "__name__": "wsgi"}
exec(compile(open(door).read(), door, "exec"), space)
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "HTTP_HOST": "localhost",
           "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
           "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
said = []
body = b"".join(space["application"](environ, lambda status, headers, exc_info=None: said.append(status)))
if said != ["200 OK"] or not body:
    sys.exit(f"{path} was answered with {said}: {body}")
print(time.process_time() * 1e3, flush=True)
os._exit(0)
"""
#: The guestbook's templates without its models.
_WITHOUT_MODELS = """
import os
from demijohn import Site

site = Site(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@site.get("/", name="entries")
@site.get("/sign-up", name="sign-up")
@site.get("/sign-in", name="sign-in")
def page():
    return site.render("sign-in", name="", next="/", errors={})


@site.get("/plaintext")
def plaintext():
    return "Hello, World!"
"""
#: What is asked of which site.
CASES = {"models": ("guestbook", "/"), "no models": ("plain", "/"), "no models, no template": ("plain", "/plaintext")}


def measure(services: Services, rounds: int) -> dict[str, Any]:
    """{case: {"sources" and "bundle": [milliseconds of CPU from the start of the process to its first answer]}}"""
    environ = {
        "DATABASE_URL": services.mariadb.create("bundled"),
        "SECRET_KEY": "a-secret-of-the-benchmarks-and-of-nobody-else",
        "DEMIJOHN_ENV": "production",
        "DEMIJOHN_LOG_SLOW_REQUEST": "off",  # the answer of a cold start is; what is printed is the figure alone
    }
    found: dict[str, Any] = {case: {"sources": [], "bundle": []} for case in CASES}
    with tempfile.TemporaryDirectory(prefix="demijohn-") as folder:
        doors = _make(Path(folder))
        _create_tables(doors["guestbook", "bundle"], environ)
        for _ in range(rounds):
            for case, (site, path) in CASES.items():
                for kind in ("sources", "bundle"):
                    found[case][kind].append(_start(doors[site, kind], path, environ))
    return found


def _make(folder: Path) -> dict[tuple[str, str], Path]:
    """The path of each index.wsgi."""
    doors = {}
    for name in ("guestbook", "plain"):
        site = whole_site(folder / name)
        if name == "plain":
            (site / "app" / "__init__.py").write_text(_WITHOUT_MODELS)
        made = make(site, hosts.find("sae"), folder / f"{name}-bundle", vendor=False, python=RUNNING)
        doors[name, "sources"], doors[name, "bundle"] = site / "index.wsgi", made.path / "index.wsgi"
    return doors


def _create_tables(door: Path, environ: dict[str, str]) -> None:
    program = "import runpy, sys; runpy.run_path(sys.argv[1])['application'].create_tables()"
    subprocess.run([sys.executable, "-S", "-E", "-I", "-c", program, str(door)], env=environ, check=True)


def _start(door: Path, path: str, environ: dict[str, str]) -> float:
    command = readonly([sys.executable, "-S", "-E", "-I", "-c", _PROGRAM, str(door), path])
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    return float(done.stdout)
