"""What a serving process says of a database that does not fit it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from demijohn.errors import MigrationError

if TYPE_CHECKING:
    from demijohn.database.migrations import Migrations

log = logging.getLogger("demijohn.database")


def tell(migrations: Migrations) -> None:
    """Warn where the database is behind this release, or ahead of it. What cannot be found out is left."""
    try:
        with migrations.plain_engine().connect() as connection:
            schema = migrations.schema(connection)
    except MigrationError as error:
        log.warning("The migrations cannot be read: %s", error)
    except Exception as error:  # the database has gone again; requests will tell
        log.debug("Where the database stands in the migrations could not be found out: %s", error)
    else:
        if schema.state in ("behind", "ahead", "no version"):
            log.warning("%s", schema)
