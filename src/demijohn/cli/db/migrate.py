"""`demijohn db migrate`: a new migration."""

from __future__ import annotations

import argparse

from demijohn.cli.db.migrations import history_of
from demijohn.site import Site
from demijohn.site.tables import declare_tables


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--message", metavar="TEXT", help="what it is for; else it says what it does")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--merge", action="store_true", help="join the ends that two branches of the source have left")
    kind.add_argument("--empty", action="store_true", help="one that does nothing yet, to be filled by hand")


def run(site: Site, args: argparse.Namespace) -> int:
    from demijohn.database.migrations.environment import need_alembic

    history = history_of(site)
    need_alembic()
    from demijohn.database.migrations.write import merge, migrate

    folder = site.db.migrations.folder
    if args.merge:
        path = merge(folder, history, args.message)
        print(f"Wrote {path}." if path else "The migrations have one end, so there is nothing to merge.")
        return 0
    declare_tables(site)
    path = migrate(site.db, folder, history, args.message, empty=args.empty)
    if path is None:
        print("Nothing has changed: the tables are as the models say. No file was written.")
    else:
        print(f"Wrote {path}. Read it, mend what is wrong, then run it: demijohn db upgrade")
    return 0
