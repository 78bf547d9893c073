"""A stand-in for Sina App Engine's web server: python -S -E -I direwolf.py PORT FOLDER STANDINS

It loads index.wsgi by its path, in the site's folder, as SAE's own development server does, and serves it one request
at a time. It runs in a Python without packages and imports none. At REPORT it tells, as JSON, what the site has done
that the host forbids, and what it had to compile.
"""

from __future__ import annotations

import _thread
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

REPORT = "/_sae/report"  # SAE keeps the paths below /_sae to itself
#: Of these it tells where they were imported from.
PARTS = ("demijohn", "sqlalchemy", "pylibmc")
FORBIDDEN = ("_thread.start", "os.fork", "os.exec", "os.posix_spawn", "os.system", "subprocess.", "socket.bind")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime", "os.chmod", "os.link", "os.symlink")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Witness:
    """What has happened in this process, by Python's audit events."""

    def __init__(self, folder: str) -> None:
        self.forbidden: list[str] = []
        self.written: list[str] = []
        self.compiled: list[str] = []
        self._folder = folder

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if isinstance(path, str) and (set(mode or "") & set("wax+") or (flags or 0) & WRITES):
                self.written.append(path)
        elif event == "compile":
            name = os.path.join(self._folder, str(args[1]))
            if name.startswith(self._folder) and os.path.exists(name):
                self.compiled.append(os.path.relpath(name, self._folder))
        elif event.startswith(FORBIDDEN):
            self.forbidden.append(event)
        elif event.startswith(CHANGES):
            self.written.append(f"{event} {args[0]}")


def watch_threads(witness: Witness) -> None:
    """Of threads there is an audit event from Python 3.12 on only."""
    start = _thread.start_new_thread

    def started(*args: Any, **kwargs: Any) -> int:
        witness.forbidden.append("_thread.start_new_thread")
        return start(*args, **kwargs)

    for module, name in ((_thread, "start_new_thread"), (threading, "_start_new_thread")):
        if hasattr(module, name):
            setattr(module, name, started)


class Loader(SourceFileLoader):
    def set_data(self, path: str, data: Any, *, _mode: int = 0) -> None:
        """Leave index.wsgi's bytecode unwritten: what the host itself tries to write is not the site's fault."""


def load(folder: str) -> Any:
    """index.wsgi as `imp.load_source("index", "index.wsgi")` had it."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    spec = spec_from_file_location("index", "index.wsgi", loader=Loader("index", "index.wsgi"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["index"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.application


def main(port: int, folder: str, standins: str) -> None:
    server = WSGIServer(("127.0.0.1", port), Quiet)
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    assert not packages, f"this Python has packages, at {packages}"
    sys.path.append(standins)
    witness = Witness(folder)
    sys.addaudithook(witness)
    watch_threads(witness)
    application = load(folder)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != REPORT:
            return application(environ, start_response)  # type: ignore[no-any-return]
        start_response("200 OK", [("Content-Type", "application/json")])
        origins = {name: getattr(sys.modules.get(name), "__file__", "") for name in PARTS}
        kept = {name: getattr(witness, name) for name in ("forbidden", "written", "compiled")}
        return [json.dumps({**kept, "origins": origins}).encode()]

    server.set_app(answer)
    server.serve_forever()


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
