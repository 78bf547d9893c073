"""Migrations run: up, down, or as SQL on paper."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from demijohn.database.migrations.environment import connected, environment, scripts
from demijohn.database.migrations.files import History
from demijohn.database.migrations.state import current
from demijohn.errors import MigrationError, MigrationFailedError

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.script import ScriptDirectory

    from demijohn.database import Database

#: Seconds that one process waits for another that migrates the same database.
WAIT = 600.0


class Done(NamedTuple):
    """What was done."""

    #: The migrations that ran, in order, as `str(Revision)`.
    ran: tuple[str, ...]
    #: Where a database that had its tables without a version was taken to be.
    adopted: tuple[str, ...]
    #: The ids that the database holds now.
    current: tuple[str, ...]


def upgrade(
    db: Database,
    folder: Path,
    history: History,
    target: str = "head",
    *,
    wait: float = WAIT,
    adopt: str | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Done:
    """Bring the database up to `target`. Returns at once, with nothing run, where another process has just done it.

    :param adopt: the migration that a database which has its tables without a version is taken to be at, unseen.
    :raises MigrationError: there is no such migration, or the database is not one that can be upgraded.
    :raises MigrationFailedError: a migration raised something.
    :raises MigrationLockedError: another process was at it for longer than `wait` seconds.
    """
    script = scripts(folder)
    target = resolve(history, target)
    adopted: list[str] = [] if adopt is None else [resolve(history, adopt)]
    stages: list[Any] = []

    def plan(heads: Any, context: Any) -> list[Any]:
        _know(history, heads)
        if heads:
            adopted.clear()
            return list(script._upgrade_revs(target, heads))
        if adopt is None:
            from demijohn.database.migrations.adopt import find

            adopted.extend(find(context.connection, db.metadata, history, stages))
        stamps = script._stamp_revs(tuple(adopted), ()) if adopted else []
        return [*stamps, *script._upgrade_revs(target, tuple(adopted))]  # type: ignore[arg-type]

    def prepare(connection: sqlalchemy.Connection) -> None:
        if adopt is None:
            from demijohn.database.migrations.adopt import needed, replay

            if needed(connection, db.metadata, history):
                stages.extend(replay(script, db.metadata, history))
            connection.rollback()

    ran, now = _run(db, script, history, plan, wait, tell, prepare)
    return Done(ran, tuple(adopted), now)


def downgrade(
    db: Database,
    folder: Path,
    history: History,
    target: str,
    *,
    wait: float = WAIT,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Done:
    """Take migrations back, down to `target`, which stays: an id, `base`, or `-1`. Raises as `upgrade` does."""
    script = scripts(folder)
    target = resolve(history, target)

    def plan(heads: Any, context: Any) -> list[Any]:
        _know(history, heads)
        if not heads:
            raise MigrationError("No migration has run on this database, so there is none to take back.")
        return list(script._downgrade_revs(target, heads))

    ran, now = _run(db, script, history, plan, wait, tell)
    return Done(ran, (), now)


def sql(folder: Path, history: History, span: str, *, dialect: str, metadata: Any, down: bool = False) -> str:
    """The statements that bring a database from one migration to another, `FROM:TO`, for a host where they have to be
    pasted somewhere. Needs no server.

    :param dialect: `mysql`, `postgresql` or `sqlite`.
    """
    script = scripts(folder)
    start, colon, target = span.partition(":")
    if not colon:
        start, target = "base", start
    start, target = resolve(history, start or "base"), resolve(history, target or "head")
    begin = None if start == "base" else start
    output = StringIO()

    def plan(heads: Any, context: Any) -> list[Any]:
        if down:
            return list(script._downgrade_revs(target, begin))
        return list(script._upgrade_revs(target, begin or ()))  # type: ignore[arg-type]

    context = {
        "dialect_name": dialect,
        "dialect_opts": {"paramstyle": "named"},
        "target_metadata": metadata,
        "literal_binds": True,
        "output_buffer": output,
        "transactional_ddl": dialect != "mysql",
        "starting_rev": begin,
    }
    with _plainly(), environment(script, plan, **context) as env, env.begin_transaction():
        env.run_migrations()
    return output.getvalue()


def resolve(history: History, name: str) -> str:
    """The full id for what was typed: an id or its beginning, `head`, `heads`, `base`, `+1`, `-1`.

    :raises MigrationError: nothing is called that, or several are.
    """
    if name in ("head", "heads"):
        if len(history.heads) > 1 and name == "head":
            raise MigrationError(two_heads(history))
        return name if len(history) else "base"
    if name == "base" or (name[:1] in "+-" and name[1:].isdigit()):
        return name
    found = [revision.id for revision in history if name and revision.id.startswith(name)]
    if name in history or len(found) == 1:
        return name if name in history else found[0]
    if found:
        raise MigrationError(f"Several migrations begin with {name!r}: {', '.join(found)}. Type more of it.")
    known = ", ".join(str(revision) for revision in history.revisions[-5:])
    raise MigrationError(f"There is no migration {name!r}. There {'are' if known else 'is none'} {known}.")


def two_heads(history: History) -> str:
    heads = " and ".join(f"{history[id]} in {history[id].path.name}" for id in history.heads)
    return (
        f"The migrations have {len(history.heads)} ends: {heads}. Two branches of the source have each added one. "
        "Join them: demijohn db migrate --merge"
    )


def _know(history: History, heads: Any) -> None:
    from demijohn.database.migrations.state import place

    schema = place(history, tuple(heads))
    if schema.state == "ahead":
        raise MigrationError(str(schema))


def _run(
    db: Database,
    script: ScriptDirectory,
    history: History,
    plan: Any,
    wait: float,
    tell: Callable[[str], None],
    prepare: Callable[[sqlalchemy.Connection], None] = lambda connection: None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from demijohn.database.migrations.lock import locked

    ran: list[str] = []
    running: list[str] = []

    def steps(heads: Any, context: Any) -> Iterator[Any]:
        for step in plan(heads, context):
            script_of = getattr(step, "revision", None)  # none where a version is only written down
            if script_of is not None:
                running.append(script_of.revision)
            yield step
            if script_of is not None:
                ran.append(str(history[running[-1]]))

    engine = db.migrations.plain_engine()
    with engine.connect() as connection:
        try:
            with _plainly(), locked(connection, wait, tell):
                prepare(connection)
                with environment(script, steps, **connected(connection, db.metadata)) as env:  # noqa: SIM117
                    with env.begin_transaction(), _referring(connection):
                        env.run_migrations()
                if ran and connection.dialect.name == "sqlite":
                    _read_beside_writing(connection)
        except Exception as error:
            if not running or len(ran) == len(running):
                raise
            with contextlib.suppress(Exception):
                connection.rollback()
            raise MigrationFailedError(str(history[running[-1]]), *_left(connection, ran), error) from error
        return tuple(ran), current(connection)


def _left(connection: sqlalchemy.Connection, ran: list[str]) -> tuple[str, tuple[str, ...]]:
    """What a failed run has left in the database, in a sentence, and which ids it holds."""
    from sqlalchemy.exc import SQLAlchemyError

    kept = f"What ran before it is kept: {', '.join(ran)}." if ran else ""
    if connection.dialect.name == "sqlite":
        what = "Nothing was changed, neither by it nor by what ran before it."
    elif connection.dialect.name == "postgresql":
        what = f"Nothing of it was kept. {kept}"
    else:
        what = (
            "This database cannot take back a change of a table: what the migration did before it failed is kept, and "
            f"has to be undone by hand before it can run again. {kept}"
        )
    try:
        return what.rstrip(), current(connection)
    except SQLAlchemyError:
        return what.rstrip(), ()


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """What Alembic refuses, in our family of errors."""
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:
        raise MigrationError(f"Alembic refuses: {error}") from error


@contextlib.contextmanager
def _referring(connection: sqlalchemy.Connection) -> Iterator[None]:
    """On SQLite, where references are not watched meanwhile: none may lead nowhere in the end that did not before."""
    if connection.dialect.name != "sqlite":
        yield
        return

    def lost() -> set[tuple[Any, ...]]:
        return {tuple(row) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}

    before = lost()
    yield
    after = lost() - before
    if after:
        tables = ", ".join(sorted({str(row[0]) for row in after}))
        raise MigrationError(
            f"The migrations would leave {len(after)} rows that refer to a row which is gone, in {tables}. Nothing was "
            "changed. Have the migration delete or mend those rows."
        )


def _read_beside_writing(connection: sqlalchemy.Connection) -> None:
    """Readers go on while one writes; kept in the file. Left for the next time where others are at the file."""
    connection.rollback()
    with contextlib.suppress(Exception):
        connection.connection.driver_connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
