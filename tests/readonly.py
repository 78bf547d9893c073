"""A file system on which nothing can be written, as the strictest host gives it, by bubblewrap."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services import program, until


def readonly(command: Sequence[str], *, writable_shm: bool = False, shown: Sequence[Path] = ()) -> list[str]:
    """The command line that runs `command` where no file can be made or changed, /tmp and /dev/shm included.

    What can be written to are the devices, such as /dev/null, and with `writable_shm` an empty /dev/shm of its own. The
    network is the machine's, so servers on 127.0.0.1 are in reach. It ends with the thread that starts it.

    :param shown: folders below /dev, which otherwise are not seen, to be read.
    """
    shm = ["--tmpfs", "/dev/shm"] if writable_shm else []  # noqa: S108 - bubblewrap's own
    # No --proc: a fresh /proc would be writable, while the machine's comes along with / and is not. /dev must be fresh,
    # since bubblewrap mounts / without its devices.
    binds = [word for folder in shown for word in ("--ro-bind", str(folder), str(folder))]
    seal = ["--ro-bind", "/", "/", "--dev", "/dev", *shm, *binds, "--remount-ro", "/dev", "--die-with-parent"]
    return [program("bwrap", "bubblewrap"), *seal, "--", *command]


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the command inside, not to bubblewrap, whose end of any kind is SIGKILL to what it wraps."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    child = until(lambda: children.read_text().split(), "bubblewrap has not begun the command.")
    subprocess.run(["kill", f"-{number.value}", *child], check=True)
