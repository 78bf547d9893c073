"""`demijohn files`: what is in the site's store of files, from outside."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from demijohn.cli.clean import moment, number
from demijohn.cli.root import HELP, add_action, find_root, prefer_development
from demijohn.doors import load_site
from demijohn.errors import DemijohnError
from demijohn.files.errors import FilesDownError

if TYPE_CHECKING:
    from demijohn.files import Files
    from demijohn.files.stores.base import Kept
    from demijohn.site import Site

#: Seconds after which an upload that has not ended is taken for broken off.
_BROKEN_OFF = 86400
#: Seconds for which a file may be in no row yet, because its request goes on.
_YOUNG = 3600


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_action(actions, "list", "list all files: name, bytes, how often it was saved, and when last")
    add_action(actions, "show", "write the content of a file to stdout").add_argument("name", metavar="NAME")
    add_action(actions, "delete", "delete files, however often they were saved").add_argument(
        "names", metavar="NAME", nargs="+"
    )
    clean = add_action(actions, "clean", "delete what broken-off uploads have left, and files that no row names")
    clean.add_argument("-n", "--dry-run", action="store_true", help="only say which files no row names")
    clean.add_argument(
        "--column",
        metavar="TABLE.COLUMN",
        action="append",
        default=[],
        help="a column that names files, beside those made by site.files.column()",
    )


def run(args: argparse.Namespace) -> int:
    root = find_root(args.root)
    prefer_development()
    site = load_site(root)
    if site.files.store.name == "memory":
        raise DemijohnError(
            "The files are in the memory of each process of the site, which nobody else sees. Set files.store to a "
            "store that lasts: database, s3, gcs or disk."
        )
    try:
        return _ACTIONS[args.action](site, args)
    except FilesDownError as error:  # whose own words are for visitors
        raise DemijohnError(
            f"The store of the files, {error.store}, is not answering: {error.original_error}"
        ) from None
    finally:
        site.files.close()
        site.db.close()


def _list(site: Site, args: argparse.Namespace) -> int:
    count = size = 0
    for kept in site.files.store.kept():
        print(f"{kept.name}  {kept.size:>12,}  {kept.uses:>4}  {moment(kept.saved)}")
        count, size = count + 1, size + kept.size
    print(f"{number(count, 'file')}, {number(size, 'byte')}.", file=sys.stderr)
    return 0


def _show(site: Site, args: argparse.Namespace) -> int:
    for piece in site.files.open(args.name):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return 0


def _delete(site: Site, args: argparse.Namespace) -> int:
    unknown = [name for name in args.names if not site.files.exists(name)]
    if unknown:
        raise DemijohnError(f"There is no file {', '.join(unknown)}. Nothing was deleted.")
    for name in args.names:
        _delete_whole(site.files, name)
    print(f"Deleted {number(len(args.names), 'file')}.")
    return 0


def _clean(site: Site, args: argparse.Namespace) -> int:
    columns = [*_columns(site), *(_column(site, text) for text in args.column)]
    if not args.dry_run:
        print(f"Deleted what {number(site.files.store.clean(time.time() - _BROKEN_OFF), 'broken-off upload')} left.")
    if not columns:
        print("Which files are in use is not known: no column is made by site.files.column(), and --column names none.")
        return 0
    unused = list(_unused(site, columns))
    for kept in unused:
        print(kept.name)
        # As often as it was counted, and not until it is gone: who saves the same meanwhile shall find it.
        for _ in range(0 if args.dry_run else kept.uses):
            site.files.store.release(kept.name)
    print(f"{'Found' if args.dry_run else 'Deleted'} {number(len(unused), 'file')} that no row names.")
    return 0


_ACTIONS = {"list": _list, "show": _show, "delete": _delete, "clean": _clean}


def _delete_whole(files: Files, name: str) -> None:
    while files.store.release(name):
        pass


def _columns(site: Site) -> Iterator[Any]:
    """The columns that names of files are kept in."""
    from demijohn.files import COLUMN

    if site.db.url:
        for table in site.db.metadata.tables.values():
            yield from (column for column in table.columns if column.info.get(COLUMN))


def _column(site: Site, text: str) -> Any:
    from demijohn.database.data.tables import find_table, near

    name, _, column = text.rpartition(".")
    table = find_table(site.db.metadata, name)
    if column not in table.columns:
        raise DemijohnError(f"{name} has no column {column!r}.{near(column, list(table.columns.keys()))}")
    return table.columns[column]


def _unused(site: Site, columns: list[Any]) -> Iterator[Kept]:
    """The files that no row names, but those so young that their row may still be on its way."""
    from sqlalchemy import select

    before = time.time() - _YOUNG
    # The files first: one that is saved meanwhile is not among them, whatever becomes of its row.
    old = [kept for kept in site.files.store.kept() if kept.saved < before]
    with site.db.unit() as db:
        used = {name for column in columns for name in db.scalars(select(column).where(column.is_not(None)))}
    yield from (kept for kept in old if kept.name not in used)
