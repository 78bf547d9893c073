"""`demijohn db create`: the missing tables."""

from __future__ import annotations

import argparse
import sys

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
    tell_of_columns(site)
    return 0


def tell_of_columns(site: Site) -> None:
    """Say on stderr which columns of the models' the tables do not have, as after a new one in a model."""
    if not site.db.url:
        return
    from sqlalchemy import inspect

    with site.db.engine.connect() as connection:
        there = inspect(connection)
        for table in site.db.metadata.sorted_tables:
            has = {column["name"].lower() for column in there.get_columns(table.name, table.schema)}
            lacks = [column.name for column in table.columns if column.name.lower() not in has]
            if lacks:
                print(
                    f"The table {table.name} lacks columns that its model has: {', '.join(lacks)}. No table is altered "
                    "here. Add them by hand (ALTER TABLE), or drop the table if nothing in it is needed. From then on "
                    "migrations can do it: demijohn db init.",
                    file=sys.stderr,
                )
