"""`demijohn db downgrade`: migrations taken back."""

from __future__ import annotations

import argparse

from demijohn.cli.db.migrations import history_of, print_sql, sql_options, stands, tell, wait_option
from demijohn.errors import MigrationError
from demijohn.site import Site
from demijohn.site.tables import declare_tables


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "revision",
        metavar="REVISION",
        help="down to which, which stays: an id or its beginning, -1 for one step, base for all; with --sql FROM:TO",
    )
    wait_option(parser)
    sql_options(parser)


def run(site: Site, args: argparse.Namespace) -> int:
    if args.sql:
        if ":" not in args.revision:
            raise MigrationError(
                "Without a server nothing says where the database stands. Say it: demijohn db downgrade --sql FROM:TO"
            )
        return print_sql(site, args, args.revision, down=True)
    from demijohn.database.migrations import steps

    history = history_of(site)
    declare_tables(site)
    done = steps.downgrade(site.db, site.db.migrations.folder, history, args.revision, wait=args.wait, tell=tell)
    for revision in done.ran:
        print(f"Took back {revision}.")
    print(stands(done.current))
    return 0
