"""Alembic, set up without any file of its own: no alembic.ini, no env.py."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demijohn.errors import AlembicMissingError

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

#: What Alembic calls for the steps to take: (ids that the database holds, the migration context) -> steps.
Plan = Callable[[Any, Any], Iterable[Any]]


def need_alembic() -> None:
    """:raises AlembicMissingError: it is not installed."""
    try:
        import alembic  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "alembic":
            raise
        raise AlembicMissingError from None


def scripts(folder: Path) -> ScriptDirectory:
    """Alembic's own view of the migrations in `folder`."""
    need_alembic()
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))  # it goes through a ConfigParser
    return ScriptDirectory.from_config(config)


@contextlib.contextmanager
def environment(script: ScriptDirectory, plan: Plan, **context: Any) -> Iterator[EnvironmentContext]:
    """Alembic's environment, in which migrations run by `plan`.

    :param context: as EnvironmentContext.configure takes them: `connection`, or `dialect_name` and `output_buffer`.
    """
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    with EnvironmentContext(Config(), script, fn=plan, as_sql="connection" not in context) as env, no_bytecode():
        env.configure(**context)
        yield env


def connected(connection: sqlalchemy.Connection, metadata: sqlalchemy.MetaData) -> dict[str, Any]:
    """The context of migrations that run on a database."""
    connection_kind = connection.dialect.name
    return {
        "connection": connection,
        "target_metadata": metadata,
        # SQLite takes back a CREATE TABLE as it does an INSERT; Alembic thinks of older drivers.
        "transactional_ddl": connection_kind in ("sqlite", "postgresql"),
        # On SQLite the transaction is the lock. On PostgreSQL, what ALTER TYPE ... ADD VALUE adds can be used after the
        # transaction only.
        "transaction_per_migration": connection_kind != "sqlite",
    }


@contextlib.contextmanager
def no_bytecode() -> Iterator[None]:
    """Nothing is written beside the migrations that are imported."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
