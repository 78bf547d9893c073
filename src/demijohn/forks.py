"""What a forked process must do anew: gunicorn --preload, uWSGI and PythonAnywhere fork after import.

uWSGI forks in C, and unless it was told `--py-call-osafterfork`, nothing that was given to `os.register_at_fork` is
called there. It calls `uwsgi.post_fork_hook`, of which there is one; `uwsgidecorators` puts its own there, too. What
can be asked cheaply (`renew`) is therefore also asked by who is about to use what must not be shared.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

#: Whether a server may fork this process without a word to Python: uWSGI, NGINX Unit, Windows. Elsewhere no request
#: need ask; a system call takes longer than all else that a small one does.
UNHEARD = "uwsgi" in sys.modules or "NXT_UNIT_INIT" in os.environ or not hasattr(os, "register_at_fork")
_acts: list[Callable[[], bool]] = []
_renewing = threading.Lock()  # taken in a child only, so that no fork copies it while it is held
_process = os.getpid()


def in_child(thing: T, act: Callable[[T], object]) -> None:
    """Have `act(thing)` called in each child after a fork, for as long as there is `thing`. `act` must not hold it."""
    reference = weakref.ref(thing)

    def run() -> bool:
        here = reference()
        if here is not None:
            act(here)
        return here is not None

    _acts.append(run)
    _hook_into_uwsgi()


def new_lock(name: str) -> Callable[[Any], None]:
    """For `in_child`: gives a thing another lock in place of its attribute `name`. Another thread, which the child does
    not have, may have held it."""
    return lambda thing: setattr(thing, name, threading.Lock())


def renew() -> None:
    """Do now what is to be done after a fork, if this process is a child in which nobody has done it yet."""
    global _process
    if os.getpid() == _process:
        return
    with _renewing:
        if os.getpid() != _process:
            _acts[:] = [run for run in _acts if run()]
            _process = os.getpid()


def _hook_into_uwsgi() -> None:
    uwsgi: Any = sys.modules.get("uwsgi")  # uWSGI's own, which only its processes have
    before = getattr(uwsgi, "post_fork_hook", None)
    if uwsgi is None or getattr(before, "renews", False):
        return

    def hook() -> None:
        renew()
        if before is not None:
            before()

    hook.renews = True  # type: ignore[attr-defined]
    uwsgi.post_fork_hook = hook


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=renew)
