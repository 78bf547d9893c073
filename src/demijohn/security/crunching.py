"""What takes much memory for a moment, done by two threads that do nothing else.

glibc gives each thread an arena of its own, and keeps there what the thread has given back. Eight threads of a server
that have hashed one password each, be it one after the other, hold 160 MB from then on (argon2id, 19 MiB; scrypt 135),
and a lock does not help. Two threads hold 40.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from demijohn.forks import in_child, renew

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
#: More would not be quicker on a small host.
THREADS = 2


class _Crunchers:
    def __init__(self) -> None:
        #: Whether this host lets the site start threads. Where it does not, it serves with one.
        self.allowed = True
        self.forget()
        in_child(self, _Crunchers.forget)  # a child has not its parent's threads

    def forget(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._opening = threading.Lock()

    def threads(self) -> ThreadPoolExecutor:
        renew()
        if self._threads is None:
            with self._opening:
                if self._threads is None:
                    from concurrent.futures import ThreadPoolExecutor

                    self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        return self._threads


_crunchers = _Crunchers()


def start_no_threads() -> None:
    """For hosts that forbid it: who asks does the work."""
    _crunchers.allowed = False


def crunch(act: Callable[..., T], *arguments: Any) -> T:
    """What `act` returns or raises. Waits for a thread, and for it."""
    if not _crunchers.allowed:
        return act(*arguments)
    try:
        waiting = _crunchers.threads().submit(act, *arguments)
    except RuntimeError:  # no thread can be started, or the interpreter is about to end
        return act(*arguments)
    return waiting.result()
