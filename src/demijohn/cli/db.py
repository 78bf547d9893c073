"""`demijohn db`: the database's tables."""

from __future__ import annotations

import argparse
import sys

from demijohn.cli.load import load_site
from demijohn.cli.root import find_root, prefer_development


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help="the site's folder; else the nearest one upwards with a config.yaml")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("create", help="make the tables that are missing; none is altered")


def run(args: argparse.Namespace) -> int:
    from sqlalchemy.exc import DBAPIError

    root = find_root(args.root)
    prefer_development()
    site = load_site(root)
    try:
        made = site.create_tables()
    except DBAPIError as error:
        where = site.db.engine.url.render_as_string(hide_password=True)
        print(f"The tables could not be made in {where}: {error.orig}", file=sys.stderr)
        return 1
    if made:
        print(f"Made {', '.join(made)}.")
    else:
        print("All tables are there." if site.db.url else "This site has no database, so there are no tables to make.")
    return 0
