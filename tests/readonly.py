"""A file system on which nothing can be written, as the strictest host gives it, by bubblewrap. All sites that the
tests start are run on one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.services import missing, program
from tests.services.wrapped import BUBBLEWRAP, Process

#: POSIX's semaphores lie in it, those of multiprocessing, too.
SHM = Path("/dev/shm")  # noqa: S108 - each command has one of its own


def readonly(command: Sequence[str], *, writable: Sequence[Path] = (), shown: Sequence[Path] = ()) -> list[str]:
    """The command line that runs `command` where no file can be made or changed, /tmp and /dev/shm included.

    What can be written to are the devices, such as /dev/null. The network is the machine's, so servers on 127.0.0.1 are
    in reach. It ends with the thread that starts it.

    :param writable: folders that can be written nevertheless. SHM stands for an empty one, at that place.
    :param shown: folders below /dev, which otherwise are not seen, to be read.
    """
    # No --proc: a fresh /proc would be writable, while the machine's comes along with / and is not. /dev must be fresh,
    # since bubblewrap mounts / without its devices.
    binds = [word for folder in shown for word in ("--ro-bind", str(folder), str(folder))]
    for folder in writable:
        binds += ["--tmpfs", str(SHM)] if folder == SHM else ["--bind", str(folder), str(folder)]
    seal = ["--ro-bind", "/", "/", "--dev", "/dev", *binds, "--remount-ro", "/dev", "--die-with-parent"]
    return [program(BUBBLEWRAP, "bubblewrap"), *seal, "--", *command]


def sealed(command: Sequence[str], environment: Mapping[str, str], writable: Sequence[Path] = ()) -> list[str]:
    """The command line that runs a site where it can write nothing but what `writable` names and the SQLite file that
    DATABASE_URL names, in its folder. Where bubblewrap does not work it is `command`; where CI=true, a failure."""
    if is_wrapped(command) or not works():
        return list(command)
    kind, _, path = environment.get("DATABASE_URL", "").partition(":///")
    own = [Path(path).parent] if kind == "sqlite" and os.path.isabs(path) else []
    return readonly(command, writable=[*writable, *own])


class Sealed(Process):
    """A site in a process of its own, `sealed`."""

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], writable: Sequence[Path] = (), **options: Any
    ) -> None:
        super().__init__(sealed(command, env, writable), env=env, **options)


def is_wrapped(command: Sequence[str]) -> bool:
    return any(os.path.basename(word) == BUBBLEWRAP for word in command)


@cache
def works() -> bool:
    """Whether bubblewrap is there, and this machine lets it work."""
    found = shutil.which(BUBBLEWRAP)
    if found and subprocess.run([found, "--ro-bind", "/", "/", "true"], capture_output=True).returncode == 0:
        return True
    if os.environ.get("CI") == "true":
        missing("bubblewrap does not work: sites would be run where they can write.")
    return False
