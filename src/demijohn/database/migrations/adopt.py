"""A database that has its tables, but no version: `db create` or `demijohn run` made them before there were migrations.

To run the first migration on it would fail ("the table exists"), and to believe that all have run would be a guess. So
the migrations are run on an empty SQLite in memory, and the database is where that looks like it, table by table and
column by column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy

from demijohn.database.migrations.environment import connected, environment
from demijohn.database.migrations.files import History
from demijohn.database.migrations.state import current
from demijohn.errors import AdoptionError

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

#: Table -> the names of its columns.
Tables = dict[str, frozenset[str]]
#: For each migration the ids that a database holds after it, and its tables.
Stages = list[tuple[tuple[str, ...], Tables]]


def needed(connection: sqlalchemy.Connection, metadata: sqlalchemy.MetaData, history: History) -> bool:
    """Whether the database has tables of the site's and no version."""
    return not current(connection) and bool(_tables(connection, _own(metadata, history)))


def find(
    connection: sqlalchemy.Connection, metadata: sqlalchemy.MetaData, history: History, stages: Stages
) -> tuple[str, ...]:
    """The ids that the database can be said to hold; none where it has no table of the site's.

    :param stages: made by `replay`, before: Alembic can be in one environment at a time.
    :raises AdoptionError: it has, and they are not as any migration leaves them, or as several do.
    """
    from demijohn.database.migrations.compare import differences

    there = _tables(connection, _own(metadata, history))
    if not there:
        return ()
    fits = [heads for heads, tables in stages if tables == there]
    if fits and fits[-1] == tuple(sorted(history.heads)) and not differences(connection, metadata, history):
        return fits[-1]
    if len(fits) == 1:
        return fits[0]
    raise AdoptionError(sorted(there), [", ".join(heads) for heads in fits], _first_difference(there, stages))


def _tables(connection: sqlalchemy.Connection, names: frozenset[str]) -> Tables:
    inspector = sqlalchemy.inspect(connection)
    there = names & set(inspector.get_table_names())
    return {name: frozenset(column["name"] for column in inspector.get_columns(name)) for name in there}


def _own(metadata: sqlalchemy.MetaData, history: History) -> frozenset[str]:
    return history.tables | set(metadata.tables)


def replay(script: ScriptDirectory, metadata: sqlalchemy.MetaData, history: History) -> Stages:
    """What each migration leaves behind. Ends early at one that does not run on an empty SQLite."""
    stages: Stages = []
    own = _own(metadata, history)

    def keep(ctx: Any, heads: Any, **_more: Any) -> None:
        stages.append((tuple(sorted(heads)), _tables(ctx.connection, own)))

    with sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.NullPool).connect() as scratch:
        context = {**connected(scratch, metadata), "on_version_apply": keep}
        try:
            with environment(script, lambda heads, _: script._upgrade_revs("heads", heads), **context) as env:
                env.run_migrations()
        except Exception:  # SQL of another database, a row that is not there
            return stages
    return stages


def _first_difference(there: Tables, stages: Stages) -> str:
    """How the database differs from what the nearest migration leaves."""
    if not stages:
        return ""

    def parts(tables: Tables) -> set[str]:
        return {f"{table}.{column}" for table, columns in tables.items() for column in columns}

    heads, tables = min(stages, key=lambda stage: len(parts(stage[1]) ^ parts(there)))
    lacks, more = sorted(parts(tables) - parts(there)), sorted(parts(there) - parts(tables))
    said = [f"lacks {', '.join(lacks[:5])}"] if lacks else []
    if more:
        said.append(f"has {', '.join(more[:5])} besides")
    return f"Compared with what {', '.join(heads)} leaves, it {' and '.join(said)}." if said else ""
