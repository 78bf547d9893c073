"""What the site does to its surroundings, seen by an audit hook (PEP 578): reported with the site's own line, and
refused where the host would refuse it.

Python's versions differ in the events of threads, and named pipes and devices have none: there the functions themselves
are wrapped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NamedTuple

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Events about files: the words, and which of the arguments are paths. A folder's descriptor stands last, where there
#: is one; then the path is relative to who knows what, and shutil's event has told it before.
FILES: dict[str, tuple[str, tuple[int, ...]]] = {
    "os.mkdir": ("makes the folder", (0,)),
    "os.rename": ("renames", (1, 0)),
    "os.remove": ("removes", (0,)),
    "os.rmdir": ("removes the folder", (0,)),
    "os.link": ("links", (1,)),
    "os.symlink": ("links", (1,)),
    "os.truncate": ("shortens", (0,)),
    "os.utime": ("dates", (0,)),
    "os.chmod": ("changes the mode of", (0,)),
    "os.chown": ("changes the owner of", (0,)),
    "os.setxattr": ("changes the attributes of", (0,)),
    "os.removexattr": ("changes the attributes of", (0,)),
    "shutil.rmtree": ("removes the folder", (0,)),
}
_PROCESSES = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn")
#: Callers whose name says more than "writes".
_CALLERS = {"tempfile.py": "wants a temporary file", "shelve.py": "keeps a shelf in", "logging": "logs into"}


class Rules(NamedTuple):
    """What is allowed, and where things are. All paths are absolute and without links."""

    #: The folder of the copy of the site that is played, and the one in which all of the rehearsal lies.
    root: str
    scratch: str
    #: The rehearsal's own database.
    database: str
    #: Folders of code that is not the site's own.
    foreign: Sequence[str]
    sealed: bool
    temp: bool
    threads: bool
    processes: bool
    #: Do not refuse what the host would refuse while the site is being loaded, to see what comes after it.
    lenient: bool = False
    #: Touch nothing of the user's: no server is asked, nothing is written outside, no process is started by a visit.
    alone: bool = True


class Watch:
    """:param tell: called with each event, a dict that JSON can take."""

    def __init__(self, rules: Rules, tell: Callable[[dict[str, Any]], None]) -> None:
        self.rules = rules
        self._tell = tell
        #: What is being visited; empty while the site is being loaded; None: nobody looks.
        self.visit: str | None = None
        #: What was refused since this was last emptied: `host` by its rules, `rehearsal` because nothing of the user's
        #: is touched.
        self.refused: set[str] = set()
        self._told: set[tuple[str, str, int]] = set()
        self._owners: dict[str, str] = {}
        self._busy = threading.local()
        self._judges: dict[str, Callable[[str, tuple[Any, ...]], None]] = {
            "open": self._open,
            "sqlite3.connect": self._sqlite,
            **dict.fromkeys(FILES, self._file),
            **dict.fromkeys(_PROCESSES, self._process),
        }
        if rules.alone:
            self._judges |= {
                "socket.bind": self._bind,
                "socket.connect": self._connect,
                "socket.getaddrinfo": self._resolve,
            }

    def start(self) -> None:
        """From here on all is seen. It cannot be taken back."""
        self._wrap(threading.Thread, "start", self._thread)
        self._wrap(sys.modules["_thread"], "start_new_thread", self._thread)
        for name, words in (("mkfifo", "makes the pipe"), ("mknod", "makes the device")):
            if hasattr(os, name):
                self._wrap(os, name, lambda path, *_, words=words, **__: self._write(words, path))
        with contextlib.suppress(ImportError):  # Windows
            import _posixsubprocess

            # multiprocessing's `spawn` comes by no event; subprocess keeps a reference of its own and has one.
            self._wrap(_posixsubprocess, "fork_exec", lambda *_: self._process("multiprocessing", ()))
        sys.addaudithook(self._hook)

    def _wrap(self, where: Any, name: str, look: Callable[..., None]) -> None:
        original = getattr(where, name)

        def wrapped(*words: Any, **options: Any) -> Any:
            if self.visit is not None and not getattr(self._busy, "now", False):
                look(*words, **options)
            return original(*words, **options)

        setattr(where, name, wrapped)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        judge = self._judges.get(event)
        if judge is None or self.visit is None or getattr(self._busy, "now", False):
            return
        self._busy.now = True  # what the hook does itself is nobody's
        try:
            judge(event, args)
        finally:
            self._busy.now = False

    # One for each kind of event

    def _open(self, _event: str, args: tuple[Any, ...]) -> None:
        path, mode, flags = args
        if flags & WRITES:
            self._write("writes", path)
        elif mode is None:
            pass  # os.open(), which may take the path from a folder's descriptor
        elif isinstance(path, str) and not os.path.isabs(path) and os.path.exists(os.path.join(self.rules.root, path)):
            self._report("read", "reads", path, by_import=False)

    def _file(self, event: str, args: tuple[Any, ...]) -> None:
        words, places = FILES[event]
        if event != "shutil.rmtree" and any(isinstance(word, int) and word >= 0 for word in args[-1:]):
            return
        for place in places:
            self._write(words, args[place])

    def _sqlite(self, _event: str, args: tuple[Any, ...]) -> None:
        path = os.fsdecode(args[0])
        if path in ("", ":memory:") or (path.startswith("file:") and any(mark in path for mark in _UNWRITTEN)):
            return
        path = path.removeprefix("file:").partition("?")[0] if path.startswith("file:") else path
        if os.path.realpath(path) != self.rules.database:
            self._write("opens the SQLite database", path, sqlite3.OperationalError("unable to open database file"))
        elif not self.visit:
            self._report("ask", "asks", "the database")

    def _bind(self, _event: str, args: tuple[Any, ...]) -> None:
        listener, address = args
        stream = listener.type & ~(getattr(socket, "SOCK_NONBLOCK", 0) | getattr(socket, "SOCK_CLOEXEC", 0))
        if stream != socket.SOCK_STREAM or (isinstance(address, tuple) and not address[1]):
            return  # what sends, or what any port suits
        self._report("listen", "listens on", _place(address))
        self._refuse("host", PermissionError(errno.EACCES, "a site does not listen itself, its host does"))

    def _connect(self, _event: str, args: tuple[Any, ...]) -> None:
        self._report("ask", "asks", _place(args[1]))
        self._refuse("rehearsal", ConnectionRefusedError(errno.ECONNREFUSED, "a rehearsal asks no other server"))

    def _resolve(self, _event: str, args: tuple[Any, ...]) -> None:
        host, port = args[0], args[1]
        if host in (None, "", b"", "localhost", b"localhost") or _is_number(host):
            return  # no server is asked for these
        self._report("ask", "asks", _place((host, port)))
        self._refuse("rehearsal", socket.gaierror(socket.EAI_NONAME, "a rehearsal asks no other server"))

    def _process(self, event: str, args: tuple[Any, ...]) -> None:
        what = args[0] if args and isinstance(args[0], (str, bytes)) else event
        if not self._report("process", "starts the process", os.fsdecode(what)[:80]):
            return
        if not self.rules.processes:
            self._forbid(PermissionError(errno.EPERM, os.strerror(errno.EPERM), what))
        elif self.visit and self.rules.alone:  # it could write where it likes
            self._refuse("rehearsal", PermissionError(errno.EPERM, os.strerror(errno.EPERM), what))

    def _thread(self, *_words: Any, **_options: Any) -> None:
        if not self.rules.threads and self._report("thread", "starts", "a thread"):
            self._forbid(RuntimeError("can't start new thread"))  # as Python has it

    def _write(self, words: str, path: Any, error: Exception | None = None) -> None:
        zone, real = self._zone(path)
        if zone == "":
            return
        shown = self._report("write", words, os.fsdecode(path), by_import=False, zone=zone)
        if not shown:
            return
        allowed = self.rules.temp if zone == "temp" else not self.rules.sealed
        if not allowed and (error is None or not os.path.exists(real)):
            self._forbid(error or OSError(errno.EROFS, os.strerror(errno.EROFS), path))
        if zone == "outside" and self.rules.alone:
            self._refuse("rehearsal", error or OSError(errno.EROFS, os.strerror(errno.EROFS), path))

    def _zone(self, path: Any) -> tuple[str, str]:
        """`site`, `temp` or `outside`; empty for what is no file on a disk. And the path, whole and without links."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return "", ""  # a descriptor
        text = os.fsdecode(path)
        real = os.path.realpath(text)
        if real == self.rules.database or (real.startswith(("/dev/", "/proc/")) and not real.startswith("/dev/shm/")):  # noqa: S108
            return "", real
        temp = os.path.join(self.rules.scratch, "tmp")
        if _within(real, self.rules.root) or (_within(real, self.rules.scratch) and not _within(real, temp)):
            return "site", real
        temps = (temp, *(os.path.realpath(folder) for folder in _TEMPS))
        return ("temp" if any(_within(real, folder) for folder in temps) else "outside"), real

    # What comes of it

    def _report(self, kind: str, words: str, target: str, by_import: bool = True, zone: str = "") -> bool:
        """Tell of an event, once for each line. Returns False for what Python itself does, unasked."""
        file, line, caller = self._whose(sys._getframe(1), by_import)
        if file is None or (kind == "read" and caller == "linecache.py"):
            return False
        key = (kind, file, line)
        if key not in self._told:
            self._told.add(key)
            relative = os.path.relpath(target, self.rules.root) if _within(target, self.rules.root) else target
            if relative == self.rules.scratch or _within(relative, self.rules.scratch):
                relative = os.path.relpath(target, self.rules.scratch)
            self._tell(
                {
                    "event": kind,
                    "words": _CALLERS.get(caller, words) if kind == "write" else words,
                    "target": "" if caller == "tempfile.py" else relative,
                    "relative": kind in ("read", "write") and not os.path.isabs(target),
                    "zone": zone,
                    "file": file,
                    "line": line,
                    "visit": self.visit,
                }
            )
        return True

    def _forbid(self, error: Exception) -> None:
        if not (self.rules.lenient and self.visit == ""):
            self._refuse("host", error)

    def _refuse(self, who: str, error: Exception) -> None:
        self.refused.add(who)
        raise error

    def _whose(self, frame: FrameType | None, by_import: bool) -> tuple[str | None, int, str]:
        """The site's file, relative, and the line that did it; else those of the package that did. And who of Python's
        own modules did it for them. None for the file: Python's import system did it, or the rehearsal."""
        caller, package = "", ("", 0)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib") and not caller and not package[0] and not by_import:
                return None, 0, ""
            whose = self._owners.get(name)
            if whose is None:
                whose = self._owners[name] = owner(name, self.rules.root, self.rules.foreign)
            if whose.startswith("own:"):
                return whose[4:], frame.f_lineno, caller
            if whose == "rehearsal" and not package[0]:
                return None, 0, ""
            if whose.startswith("package:") and not package[0]:
                package = (whose[8:], frame.f_lineno)
            elif whose.startswith("python:") and not package[0]:
                caller = whose[7:]
            frame = frame.f_back
        return package[0], package[1], caller


def owner(name: str, root: str, foreign: Sequence[str]) -> str:
    """Whose the code of this file is: `own:FILE` of the site, relative; `package:FILE`, `python:FILE`, `rehearsal`,
    or `nobody`.

    :param foreign: folders that are not the site's own, though they may lie in `root`.
    """
    path = os.path.abspath(name)
    if name.startswith("<") or path == _THIS:
        return "nobody"
    if _within(path, _HERE):
        return "rehearsal"
    inside = os.path.relpath(path, root) if _within(path, root) else ""
    if inside and not _FOREIGN.intersection(inside.split(os.sep)) and not any(_within(path, one) for one in foreign):
        return f"own:{inside}" if name.endswith((".py", ".wsgi")) else "nobody"
    folder, file = os.path.split(path)
    if _within(path, _LIBRARY) and not _FOREIGN.intersection(path.split(os.sep)):
        return f"python:{'logging' if os.path.basename(folder) == 'logging' else file}"
    return f"package:{os.path.join(os.path.basename(folder), file)}"


_THIS = os.path.abspath(__file__)
_HERE = os.path.dirname(_THIS)
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))
_TEMPS = ("/tmp", "/var/tmp")  # noqa: S108  (whose names these are)
_FOREIGN = frozenset(("site-packages", "dist-packages", ".venv", "venv", "env", "node_modules"))
_UNWRITTEN = ("mode=ro", "mode=memory", "immutable=1", ":memory:")


def _within(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep) or path == folder


def _place(address: Any) -> str:
    if isinstance(address, tuple):
        host = os.fsdecode(address[0]) if isinstance(address[0], (str, bytes)) else str(address[0])
        return f"{host or '0.0.0.0'}:{address[1]}"  # noqa: S104  (that is what an empty one means)
    return os.fsdecode(address)


def _is_number(host: Any) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True
