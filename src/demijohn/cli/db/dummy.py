"""`demijohn db dummy`: made-up rows."""

from __future__ import annotations

import argparse

from demijohn.cli.clean import number
from demijohn.cli.progress import Progress
from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("count", type=_count, metavar="N", help="rows in each table")
    parser.add_argument("--table", metavar="NAME", help="fill this one only, with rows that point at what there is")
    parser.add_argument("--seed", type=int, metavar="S", help="a whole number: the same one makes the same rows")
    parser.add_argument("--locale", metavar="L", help="names and texts of a country, such as de_DE; else en_US")


def run(site: Site, args: argparse.Namespace) -> int:
    engine = site.db.engine
    from demijohn.database.data.dummy import Dummy, choose

    tables = choose(site.db.metadata, args.table)
    with Progress(lambda: args.count * len(tables), "rows") as progress:
        made = Dummy(engine, tables, seed=args.seed, locale=args.locale, tell=progress.advance).run(args.count)
    for table, count in made.items():
        print(f"{table}: {number(count, 'row')} more.")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of rows")
    return int(text)
