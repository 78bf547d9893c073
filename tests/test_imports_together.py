"""Two threads that import the same for the first time, each by another way, as the first visitors of a process do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import PATIENCE
from tests.sites import ROOT, clean_environment
from tests.test_cold_start import OURS

KINDS = ("mysql", "postgresql", "sqlite")
#: One thread is in the middle of a package; the other has begun with what Demijohn has, and has come to where it waits.
PROGRAM = """
import importlib, sys, threading, time
from importlib import _bootstrap

package, ours = sys.argv[1:]
main = threading.get_ident()
other = threading.Thread(target=importlib.import_module, args=(ours,))

def waits_for_us():
    locks = _bootstrap._blocking_on.get(other.ident) or []
    return any(lock.owner == main for lock in (locks if isinstance(locks, list) else [locks]))

def look(event, arguments):
    if event == "import" and arguments[0].startswith(package + ".") and other.ident is None:
        other.start()
        while other.is_alive() and not waits_for_us():
            time.sleep(0.001)

sys.addaudithook(look)
importlib.import_module(package)
other.join()
assert other.ident is not None
importlib.import_module(ours)
"""


@pytest.mark.parametrize(
    ("package", "ours"),
    [
        *((f"sqlalchemy.dialects.{name}", f"demijohn.database.dialects.{name}") for name in KINDS),
        ("sqlalchemy", "demijohn.database.engine"),
        ("sqlalchemy", "demijohn.database.hurry"),
        ("sqlalchemy.orm", "demijohn.database.faults"),
        ("sqlalchemy", "demijohn.sessions.stores.sql"),
    ],
)
def test_neither_is_broken_off(package: str, ours: str) -> None:
    command = [sys.executable, "-c", PROGRAM, package, ours]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_request_comes_by_a_part_to_a_package_of_ours_that_begins_with_it() -> None:
    """What a boot has imported cannot be waited for; nor can what is no part of the package's own beginning."""
    booted = {f"demijohn.{name}" for name in OURS[""].split()}
    source = ROOT / "src"
    bad = []
    commands = source / "demijohn" / "cli"  # each a process with one thread
    for path in set(source.rglob("*.py")) - set(commands.rglob("*.py")):
        for module, line in _imported_late(path):
            package, _, part = module.rpartition(".")
            begins = source.joinpath(*package.split("."), "__init__.py")
            if package.startswith("demijohn.") and package not in booted and begins.is_file():
                at_top = {
                    node.module for node in ast.parse(begins.read_text()).body if isinstance(node, ast.ImportFrom)
                }
                if module in at_top or part in at_top:
                    bad.append(
                        f"{path.relative_to(ROOT)}:{line}: say `from {package} import`, not `from {module} import`"
                    )
    assert bad == []


def _imported_late(path: Path) -> Iterator[tuple[str, int]]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module, node.lineno
