"""`python -m tests.apps PORT MODULE:APP`: the server of `demijohn run`."""

from __future__ import annotations

import importlib
import socket
import sys

from demijohn.cli.server import DevelopmentServer

if __name__ == "__main__":
    module, _, name = sys.argv[2].partition(":")
    server = DevelopmentServer(socket.create_server(("127.0.0.1", int(sys.argv[1]))))
    server.set_app(getattr(importlib.import_module(module), name))
    server.serve_forever()
