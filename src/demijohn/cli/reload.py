"""Watches the files that a site is made of."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

#: Seconds between two looks.
PAUSE = 0.3
#: Templates and static files are read anew anyhow.
_ENDINGS = (".py", ".wsgi", ".yaml")
_PASSED_BY = frozenset(("site-packages", "node_modules", "__pycache__", "tests", "benchmarks"))


class Watch(threading.Thread):
    """Calls `changed` once a file of the site has changed, and `orphaned` once the parent process is gone.

    :param root: the site's folder. Modules that are imported from elsewhere, but not from Python's own folders, count
    too."""

    def __init__(self, root: Path, changed: Callable[[], None], orphaned: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._changed = changed
        self._orphaned = orphaned
        self._parent = os.getppid()
        self._ended = threading.Event()
        self._before = self._look()

    def run(self) -> None:
        while not self._ended.wait(PAUSE):
            if os.getppid() != self._parent:
                self._orphaned()
                return
            now = self._look()
            # A module imported since is not a change.
            if any(now.get(path) != stamp for path, stamp in self._before.items()) or any(
                path not in self._before and path.startswith(str(self._root)) for path in now
            ):
                self._changed()
                return

    def _look(self) -> dict[str, tuple[int, int]]:
        stamps = {}
        for path in self._files():
            try:
                status = os.stat(path)
            except OSError:
                continue
            stamps[path] = (status.st_mtime_ns, status.st_size)
        return stamps

    def _files(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if name not in _PASSED_BY and not name.startswith(".")]
            yield from (os.path.join(folder, name) for name in names if name.endswith(_ENDINGS))
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if path and path.endswith(".py") and not path.startswith(_PYTHONS):
                yield path


_PYTHONS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
