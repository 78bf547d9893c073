"""What a forked process must do anew: gunicorn --preload, uWSGI and PythonAnywhere fork after import."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_child(thing: T, act: Callable[[T], object]) -> None:
    """Have `act(thing)` called in each child after a fork, for as long as there is `thing`. `act` must not hold it."""
    if not hasattr(os, "register_at_fork"):  # Windows
        return
    reference = weakref.ref(thing)

    def run() -> None:
        here = reference()
        if here is not None:
            act(here)

    os.register_at_fork(after_in_child=run)
