"""A server of the tests' own: on a free port of 127.0.0.1, its data in memory, gone when the tests are gone."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NoReturn, TypeVar

import pytest

from tests.services.wrapped import Process

T = TypeVar("T")
ServiceT = TypeVar("ServiceT", bound="Service")
HOST = "127.0.0.1"
#: Seconds that a test waits for what comes at once, where the machine has nothing else to do.
PATIENCE = 120

# Runs beside the tests and reads from a pipe that only they hold open. However they end, kill -9 included, the pipe
# closes; then every server still named by a pid file is killed and the room, which is memory, is given back.
KEEPER = """
cat >/dev/null
for pid in "$1"/*/pid; do test -f "$pid" && kill -KILL "$(cat "$pid")" 2>/dev/null; done
for _ in $(seq 100); do rm -rf "$1" 2>/dev/null && exit; sleep 0.2; done
"""

# The server writes its own pid before it becomes itself, so that there is no moment when the keeper misses it.
BIRTH = 'echo $$ >"$0" && exec "$@"'


class Seen(list[str]):
    """What a server was asked, in order; filled when its `with` block ends."""

    connections = 0
    """How many connections were opened meanwhile."""


def missing(reason: str) -> NoReturn:
    """Skip the test that asked, saying why; where CI=true, where everything must be installed, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} Here, where CI=true, nothing may be left out.", pytrace=False)
    pytest.skip(reason)


def program(name: str, package: str, *folders: str) -> str:
    """The path of a program, searched for on PATH, where Debian keeps servers, and in `folders`."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *folders])
    found = shutil.which(name, path=path)
    return found or missing(f"{name} is not installed: `make test` as root, or apt-get install {package}.")


def until(condition: Callable[[], T], what: str | Callable[[], str], seconds: float = PATIENCE) -> T:
    """The first true answer of `condition`, asked every 10 ms; a failure that says `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            pytest.fail(f"Waited {seconds:g} s in vain: {said}", pytrace=False)
        time.sleep(0.01)
    return answer


def lives(pid: int) -> bool:
    """Whether this process goes on. One that has ended, and of whose end nobody has asked, does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on, that the kernel gives to no outgoing connection, and that no other
    process of tests is given as long as this one runs.

    Below 32768, where Linux begins to hand out ports by itself, a stopped server finds its port free again. The choice
    is SystemRandom's because pytest-randomly seeds `random` alike in all workers, which would pick the same ports.
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            if _claimed(port):
                return port


_given: set[int] = set()


def _claimed(port: int) -> bool:
    """Whether the port is this process's from now on: by a lock on one byte of a file, which ends with the process."""
    if port in _given:
        return False
    if (claims := _claims()) is not None:
        fcntl.lockf(claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    _given.add(port)
    return True


@functools.cache
def _claims() -> int | None:
    """The file's descriptor; None where nothing can be written: there is no other process of tests there."""
    with contextlib.suppress(OSError):
        path = Path(tempfile.gettempdir(), f"demijohn-ports-{os.geteuid()}")
        return os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    return None


@functools.cache
def room() -> Path:
    """This process's folder for its servers, in memory where there is /dev/shm; removed when the process ends."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its own there
    folder = tempfile.mkdtemp(prefix="demijohn-", dir=memory if os.access(memory, os.W_OK) else None)
    Path(folder).chmod(0o711)  # PostgreSQL, which never runs as root, must reach its folder in here
    keeper = subprocess.Popen(["/bin/sh", "-c", KEEPER, "sh", folder], stdin=subprocess.PIPE, start_new_session=True)
    atexit.register(keeper.communicate)
    return Path(folder)


class Service(ABC):
    """One server. `with Service() as server:` starts it, and in the end stops it and removes its data.

    Options are further arguments of its command line. It keeps its port and its data between stop() and start().
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    kill_signal: ClassVar[signal.Signals] = signal.SIGKILL
    account: ClassVar[str | None] = None
    """The account to run under when the tests run as root; None is root."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.host = HOST
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=room()))
        self.log = self.folder / "log"
        self.process: Process | None = None
        if account := self._account():
            shutil.chown(self.folder, account)
        self.prepare()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def prepare(self) -> None:  # noqa: B027 - most servers need no data to start
        """Make what the server needs before its first start."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line, without the options."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers a question in its own protocol."""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers. Nothing happens if it runs."""
        if self.running:
            return
        command = ["/bin/sh", "-c", BIRTH, str(self.folder / "pid"), *self.command(), *self.options]
        self.process = self._spawn(command)
        until(lambda: self.answers() or not self.running, lambda: f"{self.name} does not answer.\n{self._last_words()}")
        if not self.running:
            pytest.fail(f"{self.name} ended as it started.\n{self._last_words()}", pytrace=False)

    def stop(self) -> None:
        """Ask the server to stop, and wait until it has."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._end(self.kill_signal)

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextlib.contextmanager
    def frozen(self, *, whole: bool = False) -> Iterator[None]:
        """A server that takes connections, through the kernel, and never answers. PostgreSQL's open ones go on, unless
        the `whole` of it is frozen."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)  # until its last thread has stopped
        # They are all there is, and none goes: who would make them, and ask of their ends, stands still.
        children = self.children() if whole else []
        for child in children:
            os.kill(child, signal.SIGSTOP)
        try:
            yield
        finally:
            for child in children:
                os.kill(child, signal.SIGCONT)
            self.process.send_signal(signal.SIGCONT)

    def children(self) -> list[int]:
        """The processes that the server has made."""
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def __enter__(self: ServiceT) -> ServiceT:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def run(self, *command: str) -> None:
        """Run one of the server's own tools to its end, under the server's account."""
        if self._spawn(list(command)).wait():
            pytest.fail(f"{command[0]} failed.\n{self._last_words()}", pytrace=False)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"{self.name} did not stop on {how.name}.\n{self._last_words()}", pytrace=False)
        finally:
            (self.folder / "pid").unlink(missing_ok=True)
            self.process = None

    def _spawn(self, command: list[str]) -> Process:
        account = self._account()
        with self.log.open("ab") as log:
            return Process(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the tests is theirs to handle
                user=account,
                group=account and pwd.getpwnam(account).pw_gid,
                extra_groups=[] if account else None,
            )

    def _account(self) -> str | None:
        return self.account if os.geteuid() == 0 else None

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
