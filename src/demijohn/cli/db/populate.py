"""`demijohn db populate`: seed files into tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from demijohn.cli.clean import number
from demijohn.cli.progress import Progress
from demijohn.errors import DataError
from demijohn.site import Site

#: The folder of a site's seed files.
FOLDER = "data"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="*",
        metavar="FILE",
        help=f"a .csv, .json or .jsonl file; else all that lie in the site's folder {FOLDER}/",
    )
    parser.add_argument("--table", metavar="NAME", help="the table; else as the file is called: users.csv fills users")
    full = parser.add_mutually_exclusive_group()
    full.add_argument(
        "--if-empty", action="store_true", help="leave a table alone that holds rows: for use at each deploy"
    )
    full.add_argument("--replace", action="store_true", help="delete first what the tables hold")


def run(site: Site, args: argparse.Namespace) -> int:
    engine = site.db.engine  # which says so where there is no database
    from demijohn.database.data.populate import populate
    from demijohn.database.data.sources import ENDINGS, sources

    files = [Path(name) for name in args.file]
    if not files:
        folder = Path(site.settings.root) / FOLDER
        files = sorted(path for path in folder.glob("*") if path.suffix.lower() in ENDINGS)
        if not files:
            raise DataError(f"There are no seed files ({', '.join(ENDINGS)}) in {folder}. Name one, or put them there.")
    given = [source for path in files for source in sources(path, args.table)]
    with Progress(lambda: sum(source.path.stat().st_size for source in given), "bytes") as progress:
        put = populate(
            engine,
            site.db.metadata,
            given,
            if_empty=args.if_empty,
            replace=args.replace,
            advance=progress.advance,
        )
    for table, count in put.items():
        print(f"{table}: left alone, it holds rows." if count is None else f"{table}: {number(count, 'row')}.")
    return 0
