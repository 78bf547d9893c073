"""`demijohn vendor` with the packages that there are: a site that boots with nothing but Python and its own folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from demijohn.deploy.vendor import engine as engines
from demijohn.deploy.vendor import trial
from demijohn.deploy.vendor.engine import Order
from demijohn.deploy.vendor.target import make_target
from demijohn.deploy.vendor.target import running as this_python
from tests.services import missing
from tests.sites import ROOT, clean_environment

#: The Python that has nothing: no packages, no variables, no folder of the user's or of the working directory.
ALONE = ("-S", "-E", "-I", "-B")
#: Opens the door as PythonAnywhere and SAE do.
DOOR = """
import os, sys
door = os.path.join(sys.argv[1], "index.wsgi")
namespace = {"__file__": door, "__name__": "index"}
exec(compile(open(door).read(), door, "exec"), namespace)
application = namespace["application"]
application.create_tables()
"""
#: Asks for a page, then says what can be imported of all that is carried, and where it is from.
ASK = """
import importlib, io, json
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
           "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
           "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
started = []
page = b"".join(application(environ, lambda status, headers, exc_info=None: started.append(status)))
places, failed = {}, {}
for name in json.loads(sys.argv[2]):
    try:
        places[name] = importlib.import_module(name).__spec__.origin
    except Exception as error:
        failed[name] = repr(error)
compiled = [name for name, module in sys.modules.items() if (getattr(module, "__file__", "") or "").endswith(".so")]
print(json.dumps({"status": started, "page": page.decode(), "places": places, "failed": failed, "compiled": compiled,
                  "path": sys.path}))
"""


def filled(site: Path, *words: str) -> dict[str, Any]:
    """Make `site`, the repository's own as a host gets it, filled by `demijohn vendor ...`; what that says."""
    for name in ("app", "static", "views"):
        shutil.copytree(ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("config.yaml", "index.wsgi", "requirements.txt"):
        shutil.copy(ROOT / name, site)
    command = [sys.executable, "-m", "demijohn", "vendor", "--root", str(site), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    if done.returncode and engines._NETWORK.search(done.stderr):
        missing("No package index is in reach.")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def asked(python: str, site: Path) -> dict[str, Any]:
    """What the site says where it has what it carries, and nothing else."""
    folder = site / "site-packages"
    paths = [path for path in folder.iterdir() if path.name[0] != "_" and path.suffix != ".dist-info"]
    names = sorted(path.stem for path in paths if path.suffix == ".py" or (path / "__init__.py").is_file())
    assert {"demijohn", "sqlalchemy", "jinja2", "bottle", "beaker", "yaml"} <= set(names)
    more = ["sqlalchemy.dialects.mysql.pymysql", "sqlalchemy.testing", "beaker.session"]
    done = subprocess.run(
        [python, *ALONE, "-c", DOOR + ASK, str(site), json.dumps([*names, *more])],
        env=clean_environment(DEMIJOHN_ENV="development"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["status"] == ["200 OK"]
    assert "<html" in said["page"]
    assert said["failed"].keys() == {"sqlalchemy.testing"}
    assert all(str(place).startswith(f"{folder}/") for place in said["places"].values()), said["places"]
    assert not [entry for entry in said["path"] if "site-packages" in entry and entry != str(folder)]
    return said


def test_a_folder_for_another_python_is_imported_by_it(tmp_path: Path) -> None:
    version = "3.12" if this_python() == "3.13" else "3.13"
    filled(tmp_path / "site", "--python", version, "--engine", "uv")
    compiled = [path.name for path in tmp_path.rglob("*.so")]
    tag = rf"\.cpython-{version.replace('.', '')}-x86_64-linux-gnu\.so"
    assert len(compiled) > 8
    assert [name for name in compiled if not re.search(rf"{tag}$|\.abi3\.so$", name)] == []
    python = trial.find_python(version)
    if python is None:
        missing(f"There is no Python {version} here to import the packages that were carried along for it.")
    said = asked(python, tmp_path / "site")
    assert "psycopg" in said["places"]
    assert {"markupsafe._speedups", "yaml._yaml"} <= set(said["compiled"])


def test_pip_fetches_for_another_python_too(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("markupsafe==3.0.2\n")
    version = "3.12" if this_python() == "3.13" else "3.13"
    target, folder = make_target(version, "linux"), tmp_path / "fresh"
    pip = engines.find("pip")
    done = pip.install(Order(target, folder, tmp_path / "requirements.txt", tmp_path, False, [], True), [])
    if done.returncode and engines._NETWORK.search(done.stdout):
        missing("No package index is in reach.")
    assert done.returncode == 0, done.stdout
    compiled = [path.name for path in folder.rglob("*.so")]
    assert compiled == [f"_speedups.cpython-{version.replace('.', '')}-x86_64-linux-gnu.so"]
