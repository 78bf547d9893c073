"""The file by which PythonAnywhere loads a site."""

from __future__ import annotations

from demijohn.hosts.plan import Plan

_TEXT = '''\
"""PythonAnywhere loads this file. Copy it to the place that the Web tab names:
/var/www/{user}_pythonanywhere_com_wsgi.py

The host has no other place for variables than this file. Those that nobody else may read stand in
{site}.env, NAME=VALUE, one a line.

As a program it is `demijohn` with these variables: python {site}/{door} sessions clean --once
"""

from __future__ import annotations

import os
import sys

SITE = "{site}"
HERE = os.path.dirname(os.path.abspath(__file__))
if os.path.isfile(os.path.join(HERE, "index.wsgi")):  # not copied yet: a rehearsal
    SITE = HERE

os.environ.setdefault("DEMIJOHN_HOST", "pythonanywhere")
if os.path.isfile(SITE + ".env"):
    with open(SITE + ".env", encoding="utf-8") as lines:
        for line in lines:
            name, found, value = line.strip().removeprefix("export ").partition("=")
            if found and not name.startswith("#"):
                os.environ.setdefault(name.strip(), value.strip().strip("'\\""))

sys.path.insert(0, SITE)
if __name__ == "__main__":
    sys.path.insert(0, os.path.join(SITE, "site-packages"))
    os.chdir(SITE)
    from demijohn.cli import main

    sys.exit(main())

from main import application  # noqa: E402

__all__ = ["application"]
'''
DOOR = "pythonanywhere_wsgi.py"


def folder(plan: Plan) -> str:
    """Where the site lies: where it lies now, if that is in the user's home at the host."""
    home = f"/home/{plan.user}/"
    return plan.root.as_posix() if plan.root.as_posix().startswith(home) else f"{home}{plan.name}"


def wsgi(plan: Plan) -> str:
    return _TEXT.format(user=plan.user, site=folder(plan), door=DOOR)
