"""`demijohn db create`: the missing tables."""

from __future__ import annotations

import argparse

from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(site: Site, args: argparse.Namespace) -> int:
    made = site.create_tables()
    if made:
        print(f"Made {', '.join(made)}.")
    else:
        print("All tables are there." if site.db.url else "This site has no database, so there are no tables to make.")
    return 0
