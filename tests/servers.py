"""The web servers that sites run under, each with an app of the tests' own:

with serving("waitress", "tests.apps.bodies:app") as server:
    urllib.request.urlopen(server.url)
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.readonly import sealed
from tests.services.process import HOST, Service, program
from tests.sites import OURS

ROOT = Path(__file__).parents[1]


def _wsgiref(port: int, app: str) -> list[str]:
    return [sys.executable, "-m", "tests.apps", str(port), app]


def _gunicorn(worker: str, *options: str) -> Callable[[int, str], list[str]]:
    def command(port: int, app: str) -> list[str]:
        line = [sys.executable, "-m", "gunicorn", f"--bind={HOST}:{port}", f"--worker-class={worker}"]
        return [*line, "--workers=1", f"--config={ROOT / 'gunicorn.conf.py'}", *options, app]

    return command


def _waitress(port: int, app: str) -> list[str]:
    return [sys.executable, "-m", "waitress", f"--listen={HOST}:{port}", app]


def _cheroot(port: int, app: str) -> list[str]:
    return [sys.executable, "-m", "cheroot", f"--bind={HOST}:{port}", app]


def _uwsgi(port: int, app: str) -> list[str]:
    line = [program("uwsgi", "uwsgi-plugin-python3"), "--plugin=python3", "--need-app", "--die-on-term"]
    paths = [ROOT, ROOT / "src", sysconfig.get_path("purelib")]
    return [*line, f"--http-socket={HOST}:{port}", f"--module={app}", *(f"--pythonpath={path}" for path in paths)]


_COMMANDS: dict[str, Callable[[int, str], list[str]]] = {
    "wsgiref": _wsgiref,
    "gunicorn-sync": _gunicorn("sync", "--threads=1"),  # with more, gunicorn takes gthread
    "gunicorn-gthread": _gunicorn("gthread", "--threads=4"),
    "waitress": _waitress,
    "cheroot": _cheroot,
    "uwsgi": _uwsgi,
}
SERVERS = tuple(_COMMANDS)
# Not among SERVERS, which stands for those that a site is likely to meet.
_COMMANDS["gunicorn-gevent"] = _gunicorn("gevent", "--worker-connections=1000")


class Server:
    """A web server that answers."""

    def __init__(self, process: _WebServer) -> None:
        self._process = process
        self.name = process.kind
        self.port = process.port
        self.url = f"http://{HOST}:{self.port}"

    def log(self) -> str:
        """What the server and its app have written to stdout and stderr so far."""
        return self._process.log.read_text(errors="replace")

    def stop(self) -> None:
        """Send SIGTERM and wait for the end."""
        self._process.stop()


@contextlib.contextmanager
def serving(
    server: str,
    app: str,
    *options: str,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    writable: Sequence[Path] = (),
) -> Iterator[Server]:
    """`app`, as `module:name`, under one of SERVERS.

    :param options: further arguments of the server's command line.
    :param cwd: the working directory. The root of the checkout can be imported from in any.
    :param env: environment variables for the server, beside those of the tests. Settings of sites are not passed on.
    :param writable: see `tests.readonly.sealed`.
    """
    with _WebServer(server, app, options, cwd, env or {}, writable) as process:
        yield Server(process)
        process.stop()


class _WebServer(Service):
    name = "web"

    def __init__(
        self,
        kind: str,
        app: str,
        options: tuple[str, ...],
        cwd: Path,
        env: Mapping[str, str],
        writable: Sequence[Path],
    ) -> None:
        self.kind = kind
        self._app = app
        self._cwd = cwd
        self._env = {**env, "PYTHONPATH": os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])}
        self._writable = writable
        super().__init__(*options)

    def command(self) -> list[str]:
        unset = [f"--unset={name}" for name in os.environ if name.startswith(OURS)]
        variables = [f"{name}={value}" for name, value in self._env.items()]
        whole = ["env", f"--chdir={self._cwd}", *unset, *variables, *_COMMANDS[self.kind](self.port, self._app)]
        return sealed(whole, self._env, self._writable)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(7) == b"HTTP/1."
        return False
