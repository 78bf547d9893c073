"""The site's doors, index.wsgi and main.py, opened in each way that a host or a server opens them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bottle
import pytest

from tests.readonly import readonly
from tests.sites import ROOT, clean_environment

#: Asks `application` for a page, which needs its templates, and for a file; says from where things were imported.
ASK = """
import io, json, sys
def ask(path):
    started = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80",
               "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
               "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
    body = application(environ, lambda status, headers, exc_info=None: started.append(status))
    b"".join(body)
    return started[0]
import app, bottle, demijohn
print(json.dumps({"answers": [ask("/sign-in"), ask("/static/robots.txt")], "app": app.__file__,
                  "bottle": bottle.__file__, "demijohn": demijohn.__file__, "path": sys.path}))
"""

#: How a server gets at `application`; DOOR is the path of index.wsgi as that server has it.
LOADERS = {
    "exec, as PythonAnywhere and Google's and SAE's own servers do": """
namespace = {"__file__": DOOR, "__name__": "__main__"}
exec(compile(open(DOOR).read(), DOOR, "exec"), namespace)
application = namespace["application"]
""",
    "a loader, as uWSGI and mod_wsgi do": """
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
spec = spec_from_loader("uwsgi_file_index_wsgi", SourceFileLoader("uwsgi_file_index_wsgi", DOOR), origin=DOOR)
module = module_from_spec(spec)
module.__file__ = DOOR
spec.loader.exec_module(module)
application = module.application
""",
    "runpy": """
import runpy
application = runpy.run_path(DOOR)["application"]
""",
}
MODULES = {
    "app, by the folder on Python's path": """
import sys
sys.path.insert(0, FOLDER)
from main import app as application
""",
    "application, by the folder on Python's path": """
import sys
sys.path.insert(0, FOLDER)
from main import application
""",
    "application, from the folder itself": """
import os, sys
os.chdir(FOLDER)
sys.path.insert(0, "")
from main import application
""",
}

Opened = dict[str, Any]
Open = Callable[..., Opened]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The site as a host gets it: without the framework's source, and with a site-packages as git has it."""
    folder = tmp_path / "a site"
    for name in ("app", "static", "views", "site-packages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("config.yaml", "index.wsgi", "main.py"):
        shutil.copy(ROOT / name, folder)
    for path in (folder / "site-packages").iterdir():
        if path.name != "README.md":  # here `demijohn vendor` has been run
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


@pytest.fixture
def open_door(folder: Path) -> Open:
    def open_door(loader: str, *options: str, **settings: str) -> Opened:
        """Run `loader` in a fresh Python whose working directory is the folder above the site's."""
        names = f"FOLDER = {str(folder)!r}; DOOR = {os.path.join(folder.name, 'index.wsgi')!r}\n"
        done = subprocess.run(
            [sys.executable, *options, "-c", names + loader + ASK],
            cwd=folder.parent,
            env=clean_environment(DEMIJOHN_ENV="development", **settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        opened: Opened = json.loads(done.stdout)
        assert opened["answers"] == ["200 OK", "200 OK"]
        assert opened["app"] == str(folder / "app" / "__init__.py")
        return opened

    return open_door


@pytest.mark.parametrize("loader", [*LOADERS.values(), *MODULES.values()], ids=[*LOADERS, *MODULES])
def test_the_site_is_served_from_any_working_directory(loader: str, open_door: Open, folder: Path) -> None:
    opened = open_door(loader)
    assert opened["path"][0] == str(folder)
    assert str(folder / "site-packages") not in opened["path"]


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_opening_the_door_writes_nothing(loader: str, open_door: Open, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    open_door(loader)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("loader", [*LOADERS.values(), *MODULES.values()], ids=[*LOADERS, *MODULES])
def test_what_the_site_carries_comes_before_what_is_installed(loader: str, open_door: Open, folder: Path) -> None:
    shutil.copy(bottle.__file__, folder / "site-packages")
    opened = open_door(loader)
    assert opened["path"][:2] == [str(folder), str(folder / "site-packages")]
    assert opened["bottle"] == str(folder / "site-packages" / "bottle.py")


def test_heroku_s_python_path_does_not_change_that(open_door: Open, folder: Path) -> None:
    shutil.copy(bottle.__file__, folder / "site-packages")
    opened = open_door("from main import app as application\n", PYTHONPATH=str(folder))
    assert opened["bottle"] == str(folder / "site-packages" / "bottle.py")


@pytest.mark.parametrize("name", [".gitkeep", ".DS_Store"])
def test_a_hidden_file_does_not_make_the_folder_a_filled_one(name: str, open_door: Open, folder: Path) -> None:
    (folder / "site-packages" / name).touch()
    assert str(folder / "site-packages") not in open_door(LOADERS["runpy"])["path"]


def test_the_folder_of_what_is_carried_may_be_missing(open_door: Open, folder: Path) -> None:
    shutil.rmtree(folder / "site-packages")
    open_door(LOADERS["runpy"])


def test_a_fresh_clone_runs_where_demijohn_is_not_installed(open_door: Open, folder: Path) -> None:
    (folder / "src").symlink_to(ROOT / "src")
    # -S leaves out the .pth file by which an editable installation is found.
    opened = open_door(LOADERS["runpy"], "-S", PYTHONPATH=sysconfig.get_path("purelib"))
    assert opened["demijohn"] == str(folder / "src" / "demijohn" / "__init__.py")
    assert opened["path"][-1] == str(folder / "src")


@pytest.mark.parametrize("name", ["app", "application"])
def test_gunicorn_finds_the_site_by_its_module(name: str, folder: Path) -> None:
    pytest.importorskip("gunicorn")
    done = subprocess.run(
        readonly([sys.executable, "-m", "gunicorn", "--check-config", f"main:{name}"]),
        cwd=folder.parent,
        env=clean_environment(DEMIJOHN_ENV="development", PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
