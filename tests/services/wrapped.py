"""A process that may be wrapped by bubblewrap, and is told and looked at as if it were not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

BUBBLEWRAP = "bwrap"


class Process(subprocess.Popen[Any]):
    """Signals go to the command inside: bubblewrap hands none on, and its own end of any kind is SIGKILL to it. The
    status of what a signal has ended is that of a shell: 128 and the signal's number."""

    @property
    def inside(self) -> int:
        """The number of the command's own process."""
        return inside(self.pid)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.inside, number)


def inside(process: int) -> int:
    """The process that bubblewrap has started. The number itself where this is no bubblewrap, or has started none."""
    try:
        if Path(f"/proc/{process}/comm").read_text().strip() != BUBBLEWRAP:
            return process
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it has ended
        return process
    return int(children[0]) if children else process
