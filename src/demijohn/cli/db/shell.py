"""`demijohn db shell`: the database's own client, or a prompt of ours where it is not installed."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys

from demijohn.cli.db import clients, prompt
from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sql",
        nargs="*",
        metavar="COMMAND",
        help="what to run, such as 'SELECT 1'; else you are asked, or stdin is read",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--python", action="store_true", help="a Python prompt with `site`, `db` and the models by name")
    how.add_argument("--plain", action="store_true", help="Demijohn's own SQL prompt, though a client is installed")


def run(site: Site, args: argparse.Namespace) -> int:
    engine = site.db.engine
    command = " ".join(args.sql)
    if args.python:
        return prompt.python(site, command)
    client = None if args.plain else _client(site, command)
    if client is None:
        return prompt.sql(engine, command)
    site.db.close()  # the client has connections of its own
    return _call(client)


def _client(site: Site, command: str) -> clients.Client | None:
    from sqlalchemy import make_url

    url = make_url(site.db.url)  # the engine's own lacks what it says of TLS
    tls = {"tls": site.settings["database.tls"], "tls_ca": site.settings["database.tls_ca"]}
    return clients.client(url, site.db.engine.dialect.name, command, shutil.which, **tls)


def _call(client: clients.Client) -> int:
    """Run the client in this terminal. Returns its exit status."""
    sys.stdout.flush()
    # Ctrl+C reaches both of us. The client knows what to do with it: most break off a query and go on. This process
    # does nothing, but must not ignore it, for that the client would inherit.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        status = subprocess.run(client.words, env=client.environment, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status
