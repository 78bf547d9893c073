"""`demijohn db`: the tables and what is in them. Each action's module imports what is heavy when it runs."""

from __future__ import annotations

import argparse
import importlib

from demijohn.cli.root import HELP, find_root, prefer_development
from demijohn.doors import load_site
from demijohn.errors import DemijohnError

#: Action: what it does, and its module here, which has `arguments(parser)` and `run(site, args) -> int`.
ACTIONS = {
    "create": ("make the tables that are missing; none is altered", "create"),
    "init": ("make the folder of the migrations", "init"),
    "migrate": ("write the migration that brings the tables to what the models say", "migrate"),
    "upgrade": ("run the migrations that have not run", "upgrade"),
    "downgrade": ("take migrations back", "downgrade"),
    "current": ("say which migrations have run", "current"),
    "check": ("tell whether the database, the migrations and the models fit each other", "check"),
    "populate": ("put the rows of CSV and JSON files into their tables", "populate"),
    "dummy": ("fill the tables with made-up rows to try the site with", "dummy"),
    "dump": ("write all rows as text that SQLite, MySQL and PostgreSQL can load", "dump"),
    "load": ("put the rows of a dump into empty tables", "load"),
    "shell": ("talk to the database: its own client, or a prompt", "shell"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (purpose, module) in ACTIONS.items():
        action = actions.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        importlib.import_module(f"{__name__}.{module}").arguments(action)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.root)
    prefer_development()
    site = load_site(root)
    action = importlib.import_module(f"{__name__}.{ACTIONS[args.action][1]}")
    try:
        status: int = action.run(site, args)
        if not status and args.action in ("create", "upgrade") and not getattr(args, "sql", False):
            # What a host runs at each release.
            from demijohn.cli.static import keep_if_asked

            keep_if_asked(site)
    except Exception as error:
        from sqlalchemy import make_url
        from sqlalchemy.exc import DBAPIError

        if not isinstance(error, DBAPIError):
            raise
        where = make_url(site.db.url).render_as_string(hide_password=True)
        raise DemijohnError(f"The database {where} is not answering, or refuses: {error.orig}") from error
    finally:
        site.db.close()
    return status
