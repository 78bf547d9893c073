"""The server of a host that loads the site's door by itself: `serve PORT ROOT DOOR [--fork] [--threads]`.

One request at a time, unless there are threads. As uWSGI does it, the site is loaded first and the process that serves
is forked after that, where the host forks.
"""

from __future__ import annotations

import os
import signal
import socketserver
import sys
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from demijohn.doors import open_door


class Handler(WSGIRequestHandler):
    timeout = 60  # seconds that the router may stay silent

    def log_message(self, format: str, *args: Any) -> None:
        """The router tells what is worth telling."""


class Server(WSGIServer):
    """One request after the other."""

    request_queue_size = 128
    stopped = False

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # wsgiref's looks the machine's name up
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()

    def serve(self) -> None:
        """Until SIGTERM; what was begun is finished."""
        self.timeout = 0.2
        while not self.stopped:
            self.handle_request()


class ThreadedServer(socketserver.ThreadingMixIn, Server):
    """A thread for each request."""

    daemon_threads = False


def main(words: list[str]) -> int:
    port, root, door, *options = words
    application = open_door(Path(root), door)
    server = (ThreadedServer if "--threads" in options else Server)(("127.0.0.1", int(port)), Handler)
    server.set_app(application)
    if "--fork" in options:
        child = os.fork()
        if child:
            signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.stopped = True

    signal.signal(signal.SIGTERM, stop)
    server.serve()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
