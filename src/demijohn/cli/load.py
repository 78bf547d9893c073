"""Loads the site that lies in a folder, by the door that a host uses: `index.wsgi`."""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from demijohn.errors import DemijohnError
from demijohn.site import Site


def load_application(root: Path) -> Any:
    """What `index.wsgi` in `root` calls `application`.

    :raises DemijohnError: there is no such file, or no such name in it.
    """
    door = root / "index.wsgi"
    if not door.is_file():
        raise DemijohnError(f"There is no index.wsgi in {root}. It is the file that says what to serve (README).")
    spec = spec_from_file_location("index_wsgi", door, loader=SourceFileLoader("index_wsgi", os.fspath(door)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["index_wsgi"] = module
    spec.loader.exec_module(module)
    try:
        return module.application
    except AttributeError:
        raise DemijohnError(f"{door} does not say what `application` is.") from None


def find_site(application: Any) -> Site | None:
    """The `Site` in an application, through the middlewares that wrap it."""
    seen: set[int] = set()
    while application is not None and id(application) not in seen:
        if isinstance(application, Site):
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
    site = find_site(load_application(root))
    if site is None:
        raise DemijohnError(f"{root / 'index.wsgi'} serves no Demijohn site.")
    return site
