"""`demijohn run`: the site on this machine, for developing it.

Two processes. The first holds the listening socket and starts the second, which serves; when a file changes the second
ends and is started again. Requests that come in between wait in the socket's queue instead of being refused.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from demijohn.cli.root import HELP, find_root, prefer_development
from demijohn.errors import DemijohnError, MigrationError

#: The exit status by which the serving process asks to be started again.
CHANGED = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    parser.add_argument("--host", help="the address to listen on; else server.host")
    parser.add_argument("--port", type=int, help="the port to listen on; else server.port; 0: any that is free")
    parser.add_argument("--no-reload", dest="reload", action="store_false", help="do not watch for changed files")
    parser.add_argument("--as", dest="as_host", metavar="HOST", help="as this host would run it: docs/rehearsal.md")
    parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.root)
    if args.as_host is not None:
        return _run_as(args, root)
    prefer_development()
    if args.socket is not None:
        return _serve(socket.socket(fileno=args.socket), root, watch=True)
    listener = _listen(*_address(args, root))
    if not args.reload or os.name == "nt":  # Windows hands no sockets to a child
        return _serve(listener, root, watch=False)
    return _supervise(listener, root)


def _run_as(args: argparse.Namespace, root: Path) -> int:
    from demijohn import hosts
    from demijohn.rehearsal.stay import run_as

    return run_as(root, hosts.find(args.as_host), args.host or "127.0.0.1", args.port, os.environ)


def _address(args: argparse.Namespace, root: Path) -> tuple[str, int]:
    from demijohn import config

    # Read leniently: a mistake in config.yaml is shown by the serving process, in the browser too, until it is mended.
    settings, _ = config.read(root)
    host: Any = args.host or settings["server.host"]
    port: Any = settings["server.port"] if args.port is None else args.port
    return host, port


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise DemijohnError(
            f"Cannot listen on {host}:{port}: {error}. "
            f"Stop what uses that port, or take another: demijohn run --port {port + 1}"
        ) from None
    listener.listen(128)
    return listener


def _supervise(listener: socket.socket, root: Path) -> int:
    """Start the serving process, again and again while it asks for that."""
    child: subprocess.Popen[bytes] | None = None

    def stop(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    descriptor = listener.fileno()
    command = [*_interpreter(), "-m", "demijohn", "run", "--root", str(root), "--socket", str(descriptor)]
    try:
        while True:
            child = subprocess.Popen(command, pass_fds=[descriptor])
            status = child.wait()
            if status != CHANGED:
                return status
    except KeyboardInterrupt:
        if child is not None:
            child.terminate()
            child.wait()
        return 0
    finally:
        listener.close()


def _interpreter() -> list[str]:
    """This Python with its own options (-W, -X, -u)."""
    options = []
    for word in sys.orig_argv[1:]:
        if not word.startswith("-") or word in ("-m", "-c"):
            break
        options.append(word)
    return [sys.executable, *options]


def _serve(listener: socket.socket, root: Path, watch: bool) -> int:
    from demijohn.cli.broken import broken_site
    from demijohn.cli.server import DevelopmentServer
    from demijohn.doors import find_site, load_application

    server = DevelopmentServer(listener)
    stopped: list[int] = []

    def stop(status: int) -> None:
        stopped.append(status)
        server.shutdown()

    try:
        server.set_app(load_application(root))
        site = find_site(server.get_app())
        if site is not None:
            server.site_tells = site.logs.requests
            if site.development:
                _make_tables(site)
    except Exception as error:
        server.set_app(broken_site(error))
    if watch:
        from demijohn.cli.reload import Watch

        Watch(root, lambda: stop(CHANGED), lambda: stop(0)).start()
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"Demijohn serves {root.name} on {address}  (Ctrl+C stops)", flush=True)
    try:
        try:
            server.serve_until_told()
        finally:
            server.socket.close()  # whoever comes now finds at once that nobody is there
            server.finish_requests(seconds=5)
    except KeyboardInterrupt:  # a second one ends the waiting
        return 0
    finally:
        server.server_close()
    return stopped[0] if stopped else 0


def _make_tables(site: Any) -> None:
    from sqlalchemy.exc import DBAPIError

    from demijohn.cli.db.create import tell_of_columns

    try:
        if site.db.url and site.db.migrations.history:
            from demijohn.cli.db.upgrade import start

            start(site)
            return
        made = site.create_tables()
        tell_of_columns(site)
    except MigrationError as error:
        print(error, file=sys.stderr)
    except DBAPIError as error:
        # The site may still answer; and the database may come up after it.
        print(f"The tables could not be made: {error.orig}", file=sys.stderr)
    else:
        if made:
            print(f"Made the tables {', '.join(made)}.", file=sys.stderr)
