"""`demijohn db upgrade`: the migrations that have not run."""

from __future__ import annotations

import argparse

from demijohn.cli.db.migrations import (
    history_of,
    print_sql,
    schema_of,
    sql_options,
    stands,
    tell,
    wait_option,
)
from demijohn.errors import MigrationError
from demijohn.site import Site
from demijohn.site.tables import declare_tables


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "revision",
        nargs="?",
        default="head",
        metavar="REVISION",
        help="up to which: an id or its beginning, +1, or head (the default); with --sql also FROM:TO",
    )
    parser.add_argument(
        "--adopt", metavar="REVISION", help="where a database stands that has its tables but no version, unseen"
    )
    wait_option(parser)
    sql_options(parser)


def run(site: Site, args: argparse.Namespace) -> int:
    if args.sql:
        return print_sql(site, args, args.revision)
    return upgrade(site, args.revision, args.wait, args.adopt)


def upgrade(site: Site, target: str = "head", wait: float = 600, adopt: str | None = None) -> int:
    """Run what has not run, and say so."""
    history = history_of(site)
    folder = site.db.migrations.folder
    if site.settings["session.url"]:
        declare_tables(site)
    schema = schema_of(site)
    if schema.state == "ahead":
        raise MigrationError(str(schema))
    if target in ("head", "heads") and schema.state == "at head":
        print(schema)
        return 0
    if not history:
        print(f"There are no migrations in {folder} yet. Write the first one: demijohn db migrate")
        return 0
    from demijohn.database.migrations import steps

    declare_tables(site)
    done = steps.upgrade(site.db, folder, history, target, wait=wait, adopt=adopt, tell=tell)
    if done.adopted:
        print(f"The tables were there without a version. They stand at {', '.join(done.adopted)}.")
    for revision in done.ran:
        print(f"Ran {revision}.")
    print(stands(done.current))
    return 0


def start(site: Site) -> None:
    """As `demijohn run` begins: migrate a database that is empty, and otherwise only say what to type. A migration that
    is being written must not run each time its file is saved."""
    from sqlalchemy import inspect

    from demijohn.database.migrations.state import current, place

    migrations, history = site.db.migrations, history_of(site)
    declare_tables(site)
    with migrations.plain_engine().connect() as connection:
        schema = place(history, current(connection))
        own = history.tables | set(site.db.metadata.tables)
        empty = schema.state == "no version" and not own & set(inspect(connection).get_table_names())
    migrations.told = True
    if empty:
        upgrade(site)
    elif schema.state != "at head":
        tell(str(schema))
