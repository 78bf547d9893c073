"""Where a database stands in the migrations of this release: one statement, and nothing of Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.database.migrations.files import History, Revision

#: Alembic's table: a row for each head that the database is at.
TABLE = "alembic_version"


class Schema(NamedTuple):
    """Where a database stands."""

    #: `at head`; `behind`: this release has migrations that have not run; `ahead`: a newer release has run its own;
    #: `no version`: no migration has ever run; `no migrations`: the site has none.
    state: str
    #: The ids that the database holds.
    current: tuple[str, ...] = ()
    #: The migrations that have not run, in their order.
    missing: tuple[Revision, ...] = ()
    #: Those of `current` that this release does not know.
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A sentence or two: how it stands and what to do."""
        missing = f"{len(self.missing)} migration{'' if len(self.missing) == 1 else 's'}"
        names = ", ".join(map(str, self.missing[:3])) + (", ..." if len(self.missing) > 3 else "")
        if self.state == "behind":
            return f"The database is behind this release by {missing}: {names}. Run: demijohn db upgrade"
        if self.state == "ahead":
            return (
                f"The database is ahead of this release: it is at {', '.join(self.unknown)}, which this release does "
                "not know. A newer release has migrated it; put that one up, or go back with that one's "
                "`demijohn db downgrade`. If its file was removed here, put it back."
            )
        if self.state == "no version":
            return f"No migration has run on this database; this release has {missing}. Run: demijohn db upgrade"
        if self.state == "no migrations":
            return "This site has no migrations. Begin with: demijohn db init; demijohn db migrate"
        return f"The database is at the head of the migrations: {', '.join(self.current)}."


def place(history: History | None, current: tuple[str, ...]) -> Schema:
    """Where a database that holds the ids `current` stands."""
    if history is None or not (history or current):
        return Schema("no migrations", current)
    unknown = tuple(id for id in current if id not in history)
    if unknown:
        return Schema("ahead", current, unknown=unknown)
    done = history.up_to(current)
    missing = tuple(revision for revision in history if revision.id not in done)
    if not current:
        return Schema("no version", missing=missing)
    return Schema("behind" if missing else "at head", current, missing)


def current(connection: sqlalchemy.Connection) -> tuple[str, ...]:
    """The ids that the database holds; none where it has no such table."""
    from sqlalchemy import exc, inspect

    def ask() -> tuple[str, ...]:
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {TABLE}")
        return tuple(sorted(row[0] for row in rows))

    try:
        return ask()
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        connection.rollback()  # PostgreSQL takes nothing more before that
        # Where it is there after all, another process has made it just now; or it cannot be read, which is raised then.
        return ask() if inspect(connection).has_table(TABLE) else ()
