"""`demijohn db create`: the missing tables."""

from __future__ import annotations

import argparse

from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(site: Site, args: argparse.Namespace) -> int:
    if site.db.url and site.db.migrations.history:
        # Made beside the migrations, a table would be in the way of the migration that makes it.
        from demijohn.cli.db.upgrade import upgrade

        return upgrade(site)
    made = site.create_tables()
    if made:
        print(f"Made {', '.join(made)}.")
    else:
        print("All tables are there." if site.db.url else "This site has no database, so there are no tables to make.")
    return 0
