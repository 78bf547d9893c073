"""How far a long command has come: a bar on the terminal, and nothing where nobody looks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any


class Progress:
    """A bar on stderr, where that is a terminal, for as long as the `with` block takes.

    :param total: asked for only where there may be a bar; 0: none.
    :param unit: what is counted, in the plural.
    """

    def __init__(self, total: Callable[[], int], unit: str) -> None:
        whole = total() if sys.stderr.isatty() else 0
        self._bar: Any = _make_bar(whole, unit) if whole else None

    def advance(self, count: int) -> None:
        """So many more are done."""
        if self._bar is not None:
            self._bar.update(count)

    def say(self, line: str) -> None:
        """Print a line on stdout, above the bar."""
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line, file=sys.stdout)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _make_bar(total: int, unit: str) -> Any:
    from tqdm import tqdm

    # By itself tqdm makes a lock between processes too, for which some hosts have no shared memory.
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0  # no thread of its own
    # A terminal that does not know its size, such as a container's, says 0 by 0, and tqdm would draw nothing.
    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return tqdm(total=total, unit=f" {unit}", file=sys.stderr, ncols=width, nrows=20)
