"""A contestant in a process of its own, called without a socket. Runs under the contestant's interpreter, so it imports
only the standard library.

main() takes FOLDER MODULE:NAME from the command line and does what each line of standard input says, answering with a
line each; or FOLDER MODULE:NAME PATH, and then answers one request and leaves at once: a cold start.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module

TYPE_CHECKING = False  # `typing` itself would be part of every cold start
if TYPE_CHECKING:
    from typing import Any


def load(folder: str, name: str) -> Any:
    sys.path[0] = folder  # in place of this file's, which no contestant should see
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def make_environ(path: str, cookie: str = "") -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "49152",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT": "*/*",
        "HTTP_USER_AGENT": "benchmarks",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    return environ


class FileWrapper:
    """What servers without sendfile() offer (PEP 3333)."""

    def __init__(self, file: Any, size: int = 65536) -> None:
        self.file = file
        self.size = size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Any:
        return iter(lambda: self.file.read(self.size), b"")


def call(app: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    begun: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        begun[:] = status, headers

    pieces = app(environ.copy(), start_response)
    try:
        body = b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    status, headers = begun
    return status, headers, body


def measure(app: Any, environ: dict[str, Any], seconds: float) -> dict[str, float]:
    """As many requests as fit in `seconds`. Returns microseconds a request."""
    from time import perf_counter, process_time

    count = 0
    cpu, wall = process_time(), perf_counter()
    end = wall + seconds
    while perf_counter() < end:
        for _ in range(10):
            status, _, _ = call(app, environ)
        count += 10
        if not status.startswith("200"):
            raise RuntimeError(f"{environ['PATH_INFO']} was answered with {status}")
    return {"cpu": (process_time() - cpu) / count * 1e6, "wall": (perf_counter() - wall) / count * 1e6}


def resident() -> float:
    """Megabytes of this process in memory (proc(5): VmRSS, in units of 1024 bytes)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def obey(app: Any, order: dict[str, Any]) -> Any:
    if order["do"] == "versions":
        from importlib.metadata import version

        return {name: version(name) for name in order["of"]}
    if order["do"] == "resident":
        return resident()
    environ = {**make_environ(order["path"], order["cookie"]), **order.get("environ", {})}
    if order["do"] == "measure":
        return measure(app, environ, order["seconds"])
    for _ in range(order["times"]):
        status, headers, body = call(app, environ)
    return {"status": status, "headers": headers, "body": body.decode()}


def main() -> None:
    app = load(*sys.argv[1:3])
    if len(sys.argv) > 3:
        status, _, _ = call(app, make_environ(sys.argv[3]))
        os._exit(0 if status.startswith("200") else 1)
    import json

    answers, sys.stdout = sys.stdout, sys.stderr  # what a contestant prints is not an answer
    for line in sys.stdin:
        print(json.dumps(obey(app, json.loads(line))), file=answers, flush=True)
