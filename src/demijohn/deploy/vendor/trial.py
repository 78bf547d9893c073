"""Try whether packages can be imported from a folder, and from it alone."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from demijohn.deploy.vendor.target import running

#: Imports what it is told to; prints what failed: the module, why, and the first name of a module that is not there.
_SCRIPT = """
import importlib, json, os, sys
answer = os.dup(1)
os.dup2(2, 1)  # what a module prints is no answer
sys.path.insert(0, sys.argv[1])
names = json.loads(sys.stdin.read())
for attempt in 1, 2:  # some want another one to be imported before
    failed = {}
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            missing = error.name if type(error) is ModuleNotFoundError else None
            failed[name] = [type(error).__name__ + ": " + str(error), (missing or "").partition(".")[0]]
    names = list(failed)
os.write(answer, json.dumps(failed).encode())
os._exit(0)
"""


def find_python(version: str) -> str | None:
    """The path of a Python of this version (`3.13`) on this machine; None: there is none."""
    if version == running():
        return sys.executable
    homes = [os.environ.get("PYENV_ROOT", ""), str(Path.home() / ".pyenv")]
    places = [place for home in homes if home for place in glob.glob(f"{home}/versions/{version}*/bin/python{version}")]
    on_path = shutil.which(f"python{version}")
    # pyenv puts a program of this name on the path also for versions that are not switched on; it only complains.
    return next((path for path in [*places, on_path] if path and is_version(path, version)), None)


def failures(python: str, folder: Path, modules: Sequence[str], ours: Iterable[str]) -> dict[str, str]:
    """Import `modules` with nothing but the standard library and `folder` in sight.

    :param ours: the first names of all modules that are, or were, in the folder. That a module asks for another one
        that nobody has put there is no failure: many have parts for packages that are there or not.
    :return: what could not be imported, and why.
    """
    command = [python, "-S", "-E", "-I", "-B", "-W", "ignore", "-c", _SCRIPT, str(folder)]
    done = subprocess.run(command, input=json.dumps(modules), capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode or not done.stdout:
        end = done.stderr.strip().splitlines()[-1:] or ["no word"]
        return dict.fromkeys(modules, f"Python ended with {done.returncode}: {end[0]}")
    failed: dict[str, list[str]] = json.loads(done.stdout)
    known = set(ours)
    return {
        name: why.replace(f"{folder}{os.sep}", "")
        for name, (why, missing) in failed.items()
        if not missing or missing in known
    }


def is_version(python: str, version: str) -> bool:
    """Whether the program at `python` is a Python of this version."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-S", "-E", "-I", "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version
