"""uWSGI as hosts have it: it loads the site once, forks, and gives Python no threads unless it is told to."""

from __future__ import annotations

import sysconfig

from tests.services import program
from tests.sites import ROOT


def uwsgi(*options: str) -> list[str]:
    """The command line of Debian's uWSGI, which has Debian's Python: it finds this Python's packages, as in a virtual
    environment of the site's. SIGTERM ends it, where it would otherwise reload."""
    line = [program("uwsgi", "uwsgi-plugin-python3"), "--plugin=python3", "--die-on-term", "--master"]
    return [*line, *(f"--pythonpath={path}" for path in (sysconfig.get_path("purelib"), ROOT / "src")), *options]
