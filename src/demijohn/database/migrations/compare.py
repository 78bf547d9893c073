"""The models beside a database, by Alembic's comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy

from demijohn.database.migrations import enums
from demijohn.database.migrations.alike import defaults_differ, types_differ
from demijohn.database.migrations.environment import need_alembic
from demijohn.database.migrations.files import History
from demijohn.database.migrations.state import TABLE

if TYPE_CHECKING:
    from alembic.operations.ops import MigrationScript
    from alembic.runtime.migration import MigrationContext


def context_of(
    connection: sqlalchemy.Connection, metadata: sqlalchemy.MetaData, history: History, *, empty: bool = False
) -> MigrationContext:
    """Alembic's context for a comparison.

    :param empty: take the database to be empty, whatever it holds.
    """
    need_alembic()
    from alembic.runtime.migration import MigrationContext

    own = frozenset() if empty else history.tables | set(metadata.tables)

    def is_own(name: str | None, kind: str, _parents: Any) -> bool:
        # Others may use the database, too: what neither a model nor a migration names is theirs, and not to be dropped.
        return kind != "table" or (name in own and name != TABLE)

    options = {
        "compare_type": types_differ,
        "compare_server_default": defaults_differ,
        "include_name": is_own,
        "target_metadata": metadata,
        "render_as_batch": True,
    }
    return MigrationContext.configure(connection, opts=options)


def produce(
    context: MigrationContext, metadata: sqlalchemy.MetaData, history: History
) -> tuple[MigrationScript, enums.Plan]:
    """What would have to be done for the database to be as the models say."""
    from alembic.autogenerate import produce_migrations
    from alembic.operations import ops

    script = produce_migrations(context, metadata)
    types = enums.plan(script, metadata, history, context.dialect.name)
    for operations in (script.upgrade_ops, script.downgrade_ops):
        assert operations is not None
        gone = {op.table_name for op in operations.ops if isinstance(op, ops.DropTableOp)}
        # They go with their table; by themselves MySQL refuses to drop those that a foreign key needs.
        operations.ops = [op for op in operations.ops if not _only_drops_indexes(op, gone)]
    return script, types


def _only_drops_indexes(op: Any, tables: set[str]) -> bool:
    from alembic.operations import ops

    if isinstance(op, ops.ModifyTableOps):
        return op.table_name in tables and all(_only_drops_indexes(inner, tables) for inner in op.ops)
    return isinstance(op, ops.DropIndexOp) and op.table_name in tables


def differences(connection: sqlalchemy.Connection, metadata: sqlalchemy.MetaData, history: History) -> list[str]:
    """How the models differ from the database, a phrase each: `add column notes.age`."""
    script, _ = produce(context_of(connection, metadata, history), metadata, history)
    assert script.upgrade_ops is not None
    return list(phrases(script.upgrade_ops))


def phrases(operations: Any) -> list[str]:
    """What operations do, a phrase each."""
    from alembic.operations import ops

    found: list[str] = []
    new = {op.table_name for op in operations.ops if isinstance(op, ops.CreateTableOp)}
    for op in operations.ops:
        if getattr(op, "table_name", None) in new and not isinstance(op, ops.CreateTableOp):
            continue  # its indexes
        if isinstance(op, ops.ModifyTableOps):
            found.extend(phrases(op))
        elif isinstance(op, ops.CreateTableOp):
            found.append(f"create {op.table_name}")
        elif isinstance(op, ops.DropTableOp):
            found.append(f"drop {op.table_name}")
        elif isinstance(op, ops.AddColumnOp):
            found.append(f"add {op.table_name}.{op.column.name}")
        elif isinstance(op, ops.DropColumnOp):
            found.append(f"drop {op.table_name}.{op.column_name}")
        elif isinstance(op, ops.AlterColumnOp):
            found.append(f"change {op.table_name}.{op.column_name}")
        elif isinstance(op, ops.CreateIndexOp):
            found.append(f"index {op.table_name}")
        else:
            table = getattr(op, "table_name", None) or getattr(op, "source_table", "")
            verb = type(op).__name__.removesuffix("Op").removesuffix("Constraint")
            found.append(f"{_words(verb)} of {table}")
    return found


def _words(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
