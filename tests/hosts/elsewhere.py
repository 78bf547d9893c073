"""A file system with the site where its host has it, by bubblewrap."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services import program
from tests.sites import ROOT


def elsewhere(
    command: Sequence[str], places: Mapping[str, Path], *, cwd: str, writable: Sequence[str] = (), temp: bool = True
) -> list[str]:
    """The command line that runs `command` where these files and folders of the tests lie at these places, and nothing
    can be written but to those of them that are named and to an empty /tmp. It ends with the thread that starts it.

    :param places: the path that the command sees, to what it finds there.
    """
    # A root of its own, for on the machine's there is no /cloudsql to put anything over. What any program needs is
    # bound into it folder by folder.
    words = ["--tmpfs", "/"]
    covered = {place.split("/")[1] for place in places} | {"dev", "tmp"}
    for path in sorted(Path("/").iterdir()):
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir() and path.name not in covered:
            words += ["--ro-bind", str(path), str(path)]
    words += ["--dev", "/dev", "--remount-ro", "/dev"]
    words += ["--perms", "1777", "--tmpfs", "/tmp"] if temp else ["--perms", "0755", "--dir", "/tmp"]  # noqa: S108
    for folder in dict.fromkeys((str(ROOT), sys.prefix, sys.base_prefix)):  # they may lie below /tmp
        words += ["--ro-bind", folder, folder]
    for place, path in places.items():
        parents = list(Path(place).parents)[-2::-1]
        words += [word for parent in parents for word in ("--perms", "0755", "--dir", str(parent))]
        words += ["--bind" if place in writable else "--ro-bind", str(path), place]
    seal = [*words, "--remount-ro", "/", "--chdir", cwd, "--die-with-parent"]
    return [program("bwrap", "bubblewrap"), *seal, "--", *command]
