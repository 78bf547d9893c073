"""`demijohn` in a process of its own that costs a tenth of one: a fork of a process that waits, with all that commands
import already there. For tests that are about what a command does, and not about how it starts.

`python -m tests.ready` is the process that waits.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

import demijohn
from demijohn.cli import main

ROOT = Path(__file__).parents[1]
#: What commands import on their way, beside our own modules.
IMPORTED = [
    *("alembic.command", "alembic.autogenerate", "beaker.crypto", "jinja2", "sqlalchemy.orm", "yaml"),
    *("sqlalchemy.dialects.mysql.pymysql", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite"),
    *("faker", "psycopg", "pylibmc", "pymemcache", "pymysql", "redis", "tqdm"),
]
#: Seconds after which a command is ended.
PATIENCE = 300
#: Bytes of an order; the environment is the most of it.
LONGEST = 2**17


def demijohn_run(
    *words: str, folder: Path, environment: Mapping[str, str], given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `demijohn` with these words, warnings being errors.

    :param folder: the working directory.
    :param given: comes from stdin, through a pipe; None: /dev/null is there.
    """
    order = {"words": words, "folder": os.fspath(folder), "environment": dict(environment)}
    with ExitStack() as stack:
        stdin = stack.enter_context(_stdin(stack, given))
        out, err = (stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(2))
        status = _waiting().run(order, [stdin.fileno(), out.fileno(), err.fileno()])
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(["demijohn", *words], status, out.read(), err.read())


def _stdin(stack: ExitStack, given: str | None) -> Any:
    """The file from which `given` is read."""
    if given is None:
        return open(os.devnull, "rb")
    reading, writing = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), open(writing, "w", encoding="utf-8") as file:
            file.write(given)

    thread = threading.Thread(target=write)
    thread.start()
    stack.callback(thread.join)
    return open(reading, "rb")


class _Waiting:
    """The process that waits, from the tests' side."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-W", "error", "-m", "tests.ready", str(theirs.fileno())]
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=nothing, stdout=nothing, env=_unset()
        )
        theirs.close()
        self._one_at_a_time = threading.Lock()
        atexit.register(self.end)

    def run(self, order: dict[str, Any], descriptors: list[int]) -> int:
        with self._one_at_a_time:
            socket.send_fds(self._socket, [json.dumps(order).encode()], descriptors)
            answer = self._socket.recv(100)
        assert answer, "The process that waits for commands has ended."
        return int(answer)

    def end(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def _waiting() -> _Waiting:
    return _Waiting()


def _unset() -> dict[str, str]:
    from tests.sites import clean_environment

    return clean_environment()


def _import_all() -> None:
    ours = [module.name for module in pkgutil.walk_packages(demijohn.__path__, "demijohn.")]
    for name in [*ours, *IMPORTED]:
        if not name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _wait(orders: socket.socket) -> None:
    """Fork at each order until nobody is there any more. Returns in the fork only, with what is to be run."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, LONGEST, 3)
        if not message:
            sys.exit()
        process = os.fork()
        if not process:
            _become(json.loads(message), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(process, 0)
        orders.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Be as a process that has just been started with this order."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[0] = order["folder"]
    sys.argv[1:] = order["words"]
    signal.alarm(PATIENCE)


def _run() -> NoReturn:
    """The command, and the end of this process, without the tidying up that takes as long as the command."""
    status: Any = 1
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _import_all()
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        _wait(orders)
    _run()
