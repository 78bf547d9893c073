"""Loads the site that lies in a folder, by the doors that hosts use: `index.wsgi`, or a module such as `main`."""

from __future__ import annotations

import _imp
import importlib
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from demijohn.errors import DemijohnError
from demijohn.site import Site


def load_application(root: Path, door: str = "index.wsgi") -> Any:
    """What the file `door` in `root` calls `application`.

    :raises DemijohnError: there is no such file, or no such name in it.
    """
    path = root / door
    if not path.is_file():
        raise DemijohnError(f"There is no {door} in {root}. It is the file that says what to serve (README).")
    if (root / "bundle.json").is_file():
        _imp.check_hash_based_pycs = "always"  # else Python takes the .pyc files of a bundle for good, edited or not
    spec = spec_from_file_location("index_wsgi", path, loader=SourceFileLoader("index_wsgi", os.fspath(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["index_wsgi"] = module
    spec.loader.exec_module(module)
    return _named(module, "application")


def open_door(root: Path, door: str) -> Any:
    """The application behind a door: a file, as `load_application` takes it, or `MODULE:NAME`, as a server that was
    started in `root` would import it.

    :raises DemijohnError: there is no such file or module, or no such name in it.
    """
    name, colon, attribute = door.partition(":")
    if not colon:
        return load_application(root, door)
    sys.path.insert(0, os.fspath(root))
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise DemijohnError(f"There is no {name}.py in {root}. The host's server asks for {door}.") from None
    return _named(module, attribute)


def _named(module: Any, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise DemijohnError(f"{module.__file__} does not say what `{name}` is.") from None


def find_site(application: Any, kind: type[Any] = Site) -> Any:
    """The `Site` in an application, or whatever else is of this `kind`, through the middlewares that wrap it. None:
    there is none."""
    seen: set[int] = set()
    while application is not None and id(application) not in seen:
        if isinstance(application, kind):
            return application
        seen.add(id(application))
        # As Beaker's, Werkzeug's and most other middlewares call what they wrap.
        names = ("wrap_app", "app", "application", "wsgi_app", "_app")
        application = next((getattr(application, name) for name in names if hasattr(application, name)), None)
    return None


def load_site(root: Path) -> Site:
    """The `Site` that `index.wsgi` serves.

    :raises DemijohnError: it serves something else.
    """
    site: Site | None = find_site(load_application(root))
    if site is None:
        raise DemijohnError(f"{root / 'index.wsgi'} serves no Demijohn site.")
    return site
