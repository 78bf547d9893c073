"""Nothing is written to disk: a test fails in which Demijohn has made, changed or removed a file in this process, at
boot, in a request or anywhere else. An audit hook (PEP 578) sees it, whatever library has done it for Demijohn, and
whether or not it has worked.

What SQLite writes is no event. A site in a process of its own runs where it cannot write: see tests/readonly.py. A test
fails that starts one elsewhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import pytest

import demijohn
from demijohn.rehearsal.watch import FILES, WRITES
from tests.readonly import is_wrapped, works

_DEMIJOHN = os.path.dirname(demijohn.__file__) + os.sep
_SITE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "app") + os.sep
#: Whose writing is that of whoever has called it; code that lies in no file is a library's, too.
_LIBRARIES = (sys.prefix + os.sep, sys.base_prefix + os.sep, "<")
_IMPORT = "<frozen importlib"
#: What is behind the commands, and not below a site, as import-linter makes sure: it writes what it was asked for.
_COMMANDS = tuple(f"{_DEMIJOHN}{name}{os.sep}" for name in ("check", "cli", "deploy", "rehearsal"))
#: And what else is asked for by name: `files.store: disk`, and `demijohn db revision`.
_ASKED = tuple(
    os.path.join(_DEMIJOHN, *path) for path in (("files", "stores", "disk.py"), ("database", "migrations", "write.py"))
)

#: Words that follow each other in the command line of a web server.
_STARTS = {*(("-m", name) for name in ("gunicorn", "waitress", "cheroot", "tests.apps")), ("demijohn", "run")}

#: What was written since the last test, and where.
written: list[str] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        if not args[2] & WRITES or isinstance(args[0], int) or args[0] == os.devnull:
            return
    elif event == "subprocess.Popen":
        if _serves(args[1]) and not is_wrapped(args[1]) and works():
            written.append(f"whatever it likes, perhaps: {args[1]}")
        return
    elif event not in FILES:
        return
    if place := _place(sys._getframe(1)):
        written.append(f"{place} {event} {args}")


def _place(frame: FrameType | None) -> str:
    """The line of Demijohn, or of the site that comes with it, that did it. Empty where it was a command, a test or
    a site of a test's; and where Python keeps the byte code of what it imports, which these tests let it do."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith((_DEMIJOHN, _SITE)):
            return "" if name.startswith((*_COMMANDS, *_ASKED)) else f"{name}:{frame.f_lineno}"
        if name.startswith(_IMPORT) or not name.startswith(_LIBRARIES):
            return ""
        frame = frame.f_back
    return ""


def _serves(command: Sequence[str]) -> bool:
    """Whether it starts a web server. One that only says how it is set does not, and `demijohn run --as` has walls of
    its own."""
    if "--print-config" in command or "--as" in command:
        return False
    return os.path.basename(command[0]) == "uwsgi" or any(pair in _STARTS for pair in zip(command, command[1:]))  # noqa: B905, RUF007


def judge() -> None:
    """Fail if anything was written since this was asked last."""
    found, written[:] = written[:], []
    assert not found, "Demijohn writes to disk:\n" + "\n".join(found)


@pytest.fixture(autouse=True)
def nothing_is_written() -> Iterator[None]:
    yield
    judge()


sys.addaudithook(_hook)
