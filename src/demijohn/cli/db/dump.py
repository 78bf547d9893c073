"""`demijohn db dump`: all rows as one text that any database can load."""

from __future__ import annotations

import argparse
import sys

from demijohn.cli.clean import number
from demijohn.cli.db.streams import written
from demijohn.cli.progress import Progress
from demijohn.errors import DataError
from demijohn.site import Site
from demijohn.site.tables import declare_files


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="where to; packed if its name ends with .gz. -: to stdout, as into a pipe",
    )
    parser.add_argument(
        "--tables",
        metavar="NAME",
        nargs="+",
        help="these tables only; else all but the parts' own, such as the visitors' sessions",
    )


def run(site: Site, args: argparse.Namespace) -> int:
    engine = site.db.engine
    from demijohn.database.data import tables as known
    from demijohn.database.data.dump import Dump, choose

    name = args.file
    if name is None:
        if sys.stdout.isatty():
            raise DataError("Where to? demijohn db dump FILE, or - to print it here.")
        name = "-"
    declare_own(site)
    metadata = site.db.metadata
    tables = choose(metadata, args.tables)
    if not tables:
        raise DataError("The site has no tables to dump: no model describes one.")

    def rows() -> int:
        with engine.connect() as connection:
            return sum(known.count(connection, table) for table in tables)

    try:
        with written(name) as file, Progress(rows, "rows") as progress:
            counts = Dump(engine, tables, file.write, progress.advance).run()
            file.flush()
    except BrokenPipeError:
        print("Whoever was to read the dump has gone before its end.", file=sys.stderr)
        return 1
    if args.tables is None:
        _tell_left_out(site)
    where = "" if name == "-" else f" into {name}"
    summary = f"{number(sum(counts.values()), 'row')} of {number(len(counts), 'table')}{where}."
    print(f"Dumped {summary}", file=sys.stderr if name == "-" else sys.stdout)
    return 0


def declare_own(site: Site) -> None:
    """Let the parts declare their tables, which they do when they are first used."""
    if site.session_type in ("sql", "cached-sql"):
        _ = site.sessions.store
    if site.files.in_use:
        declare_files(site)


def _tell_left_out(site: Site) -> None:
    from demijohn.database.data import tables as known

    with site.db.engine.connect() as connection:
        left = known.unknown_tables(connection, site.db.metadata)
    own = sorted(table.name for table in site.db.metadata.tables.values() if known.is_left_out(table.name))
    if own:
        print(f"Left out: {', '.join(own)}, which Demijohn keeps for itself (--tables names it).", file=sys.stderr)
    if left:
        print(f"Left out: {', '.join(left)}, which no model describes.", file=sys.stderr)
