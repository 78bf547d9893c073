"""The command line. One module a command; only the one that is called is imported."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from demijohn.errors import DemijohnError

#: Command: what it is for. Its module has `arguments(parser)` and `run(args) -> int`.
COMMANDS = {
    "new": "make a folder with a site that runs: a guestbook, or the smallest one",
    "run": "serve the site on this machine, and again after each change",
    "deploy": "write the files that a host wants, and say what is left to type",
    "vendor": "fill site-packages/ with what the site needs, for a host that installs nothing",
    "bundle": "make the folder or the zip file that is uploaded to a host",
    "check": "find what will break on a host, before the push",
    "config": "print every setting and where its value comes from",
    "db": "make, migrate, fill, empty into a file and ask the database",
    "maintenance": "close the site to visitors, or to their writing, on every copy of it",
    "static": "list the static files, and keep those of this release for the next ones",
    "files": "list, show, delete and clean up what visitors have uploaded",
    "sessions": "clean, count, show and end the visitors' sessions",
    "tickets": "list, show, clear and collect the errors that nobody has foreseen",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names. Returns the exit status: 0, 1 for a failure, 2 for a wrong call."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="demijohn", description="Bottle, cased to travel.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        if name in words[:1]:
            importlib.import_module(f"demijohn.cli.{name}").arguments(command)
    args = parser.parse_args(words)
    if args.command != "run":
        _log_little()
    try:
        status: int = importlib.import_module(f"demijohn.cli.{args.command}").run(args)
    except DemijohnError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _log_little() -> None:
    """A command tells its own errors, and its output may be a file: nobody wants the log's lines between. Warnings of
    other packages go to stderr, as they do where nobody has said anything."""
    if not logging.getLogger().handlers:
        others = logging.StreamHandler()
        others.setLevel(logging.WARNING)
        others.addFilter(lambda record: record.name.partition(".")[0] != "demijohn")
        logging.getLogger().addHandler(others)
