"""What the actions on migrations have in common."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from demijohn.errors import MigrationError, NoDatabaseError

if TYPE_CHECKING:
    from demijohn.database.migrations.files import History
    from demijohn.database.migrations.state import Schema
    from demijohn.site import Site


def history_of(site: Site) -> History:
    """The site's migrations.

    :raises MigrationError: it has no folder of them, or they cannot be read.
    :raises NoDatabaseError: it has no database.
    """
    if not site.db.url:
        raise NoDatabaseError("This site has no database: database.url is empty. Set it, or DATABASE_URL.")
    history = site.db.migrations.history
    if history is None:
        raise MigrationError(
            f"This site has no migrations: there is no folder {site.db.migrations.folder}. Make it: demijohn db init"
        )
    return history


def schema_of(site: Site) -> Schema:
    """Where the site's database stands, asked on a connection that no other statement is spent on."""
    with site.db.migrations.reading_engine().connect() as connection:
        return site.db.migrations.schema(connection)


def wait_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=float,
        default=600,
        metavar="SECONDS",
        help="how long to wait for another process that migrates the same database, and for others' transactions "
        "(default: %(default)s)",
    )


def sql_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sql", action="store_true", help="print the statements instead; needs no server")
    parser.add_argument(
        "--dialect", choices=("mysql", "postgresql", "sqlite"), help="whose SQL; else that of the site's database"
    )


def print_sql(site: Site, args: argparse.Namespace, span: str, *, down: bool = False) -> int:
    """Print what would run."""
    from sqlalchemy import make_url

    from demijohn.database.migrations.steps import sql

    history = history_of(site)
    dialect = args.dialect or make_url(site.db.url).get_backend_name().replace("mariadb", "mysql")
    print(sql(site.db.migrations.folder, history, span, dialect=dialect, metadata=site.db.metadata, down=down), end="")
    return 0


def tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def stands(current: tuple[str, ...]) -> str:
    return f"The database is at {', '.join(current)}." if current else "The database is at no version."
