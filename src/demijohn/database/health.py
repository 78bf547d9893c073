"""How a database stands, in a word or two, for whoever sends visitors to the site."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import sqlalchemy

from demijohn.database import faults
from demijohn.database.hurry import hurried

if TYPE_CHECKING:
    from demijohn.database.plugin import Database

log = logging.getLogger("demijohn.database")

#: Seconds for a connection, and for each answer.
PATIENCE = 2.0


def health(db: Database) -> tuple[bool, str]:
    """As `Database.health`."""
    try:
        if db.migrations.is_absent:  # to connect to an SQLite file makes it
            if db.migrations.history:
                return False, "no version"
            return not db.metadata.tables, "tables missing" if db.metadata.tables else "no file yet"
        with hurried(db, PATIENCE) as connection:
            connection.exec_driver_sql("SELECT 1")
            state = db.migrations.schema(connection).state
            if state == "no migrations" and _lacks_tables(db, connection):
                return False, "tables missing"
    except Exception as error:
        log.debug("The database was asked how it is: %s", error)
        if faults.is_busy(error):  # it is there, and so is the site: one visitor more may do better than a probe
            return True, "busy"
        return False, "not answering"
    if state in ("at head", "no migrations"):
        return True, "answers"
    return state == "ahead", state


def _lacks_tables(db: Database, connection: sqlalchemy.Connection) -> bool:
    """Whether one that is declared is not there, as where nobody has run `demijohn db create`."""
    names = {(table.name, table.schema) for table in db.metadata.tables.values()}
    if not names <= db.seen_tables:
        there = sqlalchemy.inspect(connection)
        db.seen_tables |= {name for name in names if there.has_table(*name)}  # a view will do
    return not names <= db.seen_tables
