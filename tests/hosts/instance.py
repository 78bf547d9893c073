"""One process of a site, started as a host starts it: with the host's variables, and with no others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from tests.readonly import sealed
from tests.services import Service

#: Where a host has put the site's packages: this Python's.
PATH = os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"])


class Instance(Service):
    """:param command: a command line, or words for a shell, as most hosts read them.
    :param environ: the host's variables. PORT is one that is free; HOME is the site's folder.
    :param site: the working directory.
    :param writable: see `tests.readonly.sealed`.
    """

    name: ClassVar[str] = "instance"

    def __init__(
        self,
        command: Sequence[str] | str,
        environ: Mapping[str, str],
        site: Path,
        *,
        port: int | None = None,
        writable: Sequence[Path] = (),
    ) -> None:
        self._command = sealed(_words(command), environ, writable)
        self._environ = environ
        self._site = site
        super().__init__()
        self.port = port or self.port
        self.url = f"http://{self.host}:{self.port}"

    def command(self) -> list[str]:
        given = surroundings({**self._environ, "PORT": str(self.port)}, self._site)
        variables = [f"{name}={value}" for name, value in given.items()]
        return ["env", "--ignore-environment", f"--chdir={self._site}", *variables, *self._command]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_health/live", timeout=5):  # noqa: S310
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def said(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self.log.read_text(errors="replace")

    def start(self) -> None:
        try:
            super().start()
        except BaseException:  # a failure of pytest's is none of Exception
            self._kill_all()
            raise

    def __exit__(self, *exc: object) -> None:
        self._kill_all()
        super().__exit__(*exc)

    def _kill_all(self) -> None:
        for process in self.processes():  # the first may be one that only looks after the others
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if self.process is not None:  # and may have ended before them
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """The process itself, and all that descend from it."""
        found = [] if self.process is None else [self.process.inside]
        for process in found:
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += map(int, children.read_text().split())
        return found


def run(command: Sequence[str] | str, environ: Mapping[str, str], site: Path) -> str:
    """Run a command in the same surroundings, such as the one that makes a release ready. What it has written."""
    done = subprocess.run(
        _words(command),
        cwd=site,
        env=surroundings(environ, site),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command}: {done.stdout}", pytrace=False)
    return done.stdout


def _words(command: Sequence[str] | str) -> list[str]:
    return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)


def surroundings(environ: Mapping[str, str], site: Path) -> dict[str, str]:
    """All the variables that a process of the site has on its host."""
    return {"PATH": PATH, "HOME": str(site), "LANG": "C.UTF-8", **environ}
