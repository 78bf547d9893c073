"""`python -m tests.apps PORT MODULE:APP`: the standard library's server, a thread for each request."""

from __future__ import annotations

import importlib
import socketserver
import sys
from wsgiref.simple_server import WSGIServer, make_server


class ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    module, _, name = sys.argv[2].partition(":")
    app = getattr(importlib.import_module(module), name)
    make_server("127.0.0.1", int(sys.argv[1]), app, server_class=ThreadingServer).serve_forever()
