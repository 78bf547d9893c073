"""`demijohn db check`: whether the database, the migrations and the models fit each other."""

from __future__ import annotations

import argparse

from demijohn.cli.db.migrations import history_of, schema_of
from demijohn.site import Site
from demijohn.site.tables import declare_tables

#: How many differences are named.
_NAMED = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(site: Site, args: argparse.Namespace) -> int:
    history = history_of(site)
    schema = schema_of(site)
    if schema.state != "at head":
        print(schema)
        return 1
    from demijohn.database.migrations.compare import differences

    declare_tables(site)
    with site.db.migrations.reading_engine().connect() as connection:
        found = differences(connection, site.db.metadata, history)
    if found:
        named = ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
        print(
            f"The models differ from the migrations. To follow the models, a migration would have to: {named}. Write "
            "it: demijohn db migrate"
        )
        return 1
    print(f"{schema} The models are as the migrations leave the tables.")
    return 0
