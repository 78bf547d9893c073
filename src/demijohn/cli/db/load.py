"""`demijohn db load`: a dump into empty tables."""

from __future__ import annotations

import argparse

from demijohn.cli.clean import number
from demijohn.cli.db.dump import declare_own
from demijohn.cli.db.streams import incoming
from demijohn.cli.progress import Progress
from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a dump, packed or not; -: from stdin")
    parser.add_argument("--replace", action="store_true", help="delete first what the tables hold")


def run(site: Site, args: argparse.Namespace) -> int:
    engine = site.db.engine
    from demijohn.database.data.load import Load

    declare_own(site)
    with incoming(args.file) as dump, Progress(lambda: dump.size, "bytes") as progress:
        counts = Load(
            engine,
            site.db.metadata,
            dump.lines,
            replace=args.replace,
            tell=lambda count: progress.advance(dump.advanced()),
        ).run()
        progress.advance(dump.advanced())
    for table, count in counts.items():
        print(f"{table}: {number(count, 'row')}.")
    return 0
