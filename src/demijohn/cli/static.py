"""`demijohn static`: the static files, and those of releases before this one."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from demijohn.cli.root import HELP, find_root, prefer_development
from demijohn.errors import DemijohnError

if TYPE_CHECKING:
    from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", help=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="print each file with its address")
    actions.add_parser(
        "keep",
        help="put the files of this release into the database, for pages of it that are open when the next one is up",
    )


def run(args: argparse.Namespace) -> int:
    from demijohn.doors import load_site

    root = find_root(args.root)
    prefer_development()
    site = load_site(root)
    if args.action == "list":
        for name, _ in site.static.paths():
            print(f"{name}  {site.static.url(name)}")
        return 0
    if site.static.kept is None:
        raise DemijohnError(
            "static.keep is 0, so nothing is kept. Say of how many releases before the present one the static files "
            "are to be kept: static.keep: 2"
        )
    try:
        keep(site)
    finally:
        site.db.close()
    return 0


def keep(site: Site) -> None:
    """Keep the files of this release, and say so.

    :raises KeepError: they could not be kept.
    """
    from demijohn.static.kept import LARGEST

    kept = site.static.kept
    assert kept is not None
    release = kept.keep(site.static)
    changes = f"{release.added:,} of them new" if release.added else "none of them new"
    dropped = f"; {release.dropped:,} of older releases dropped" if release.dropped else ""
    print(f"Static files of release {release.number} are kept: {release.files:,}, {changes}{dropped}.")
    for name in release.too_large:
        print(f"Not kept: {name}, which is larger than {LARGEST // 1024**2} MiB.", file=sys.stderr)


def keep_if_asked(site: Site) -> None:
    """As a part of a release. That old pages lose their style is no reason to stop it."""
    if site.static.kept is None:
        return
    from demijohn.static.kept import KeepError

    try:
        keep(site)
    except KeepError as error:
        print(error, file=sys.stderr)
