"""A file system as a host has it, by bubblewrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import demijohn


def bubblewrap() -> str | None:
    """The program, where it is installed and this machine lets it work. Containers often do not."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    try:
        tried = subprocess.run([program, "--ro-bind", "/", "/", "true"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if tried.returncode == 0 else None


def sealed(
    program: str, command: Sequence[str], *, writable: Sequence[Path], temp: bool, shown: Sequence[Path]
) -> list[str]:
    """The command line that runs `command` where nothing can be written.

    :param writable: folders that can be written nevertheless.
    :param temp: /tmp is an empty folder of its own, and can be written; so can /dev/shm.
    :param shown: folders that are to be seen though they may lie below /tmp.
    """
    words = [program, "--ro-bind", "/", "/", "--dev", "/dev"]
    if temp:
        words += ["--tmpfs", "/tmp"]  # noqa: S108  (bubblewrap's own)
        needed = (*map(str, shown), sys.prefix, sys.base_prefix, os.path.dirname(demijohn.__file__))
        for folder in map(Path, map(os.path.abspath, needed)):
            if folder.is_relative_to("/tmp"):  # noqa: S108
                words += ["--ro-bind", str(folder), str(folder)]
    for folder in writable:
        words += ["--bind", str(folder), str(folder)]
    if not temp:
        words += ["--remount-ro", "/dev"]  # devices can be written to all the same
    return [*words, "--die-with-parent", "--", *command]


def inside(process: int) -> int:
    """The process that bubblewrap has wrapped: bubblewrap's own end, of any kind, is SIGKILL to it. The number itself
    where there is none."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return process
    return int(children[0]) if children else process


def memory(process: int) -> int:
    """Bytes that a process and all that it has started occupy; what they share is counted once. 0 where nobody says."""
    size, left = 0, [process]
    while left:
        number = left.pop()
        try:
            left += map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
            size += int(text.partition("\nPss:")[2].split()[0]) * 1024
        except (OSError, IndexError):
            continue  # it has ended
    return size
