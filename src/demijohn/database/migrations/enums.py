"""PostgreSQL's enumerations, which are types beside the tables: made before the first column of theirs, dropped after
the last, given new members by a statement of its own.

A migration is often written on SQLite and runs on PostgreSQL, so which types there are by then is read in the
migrations and not in the database. Elsewhere an enumeration is a part of its column, and what is written for PostgreSQL
does not run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from demijohn.database.migrations.files import History

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.operations.ops import MigrationScript

#: What is said of types in the SQL of a migration.
_SQL = re.compile(r'\b(CREATE|ALTER|DROP)\s+TYPE\s+(?:IF\s+EXISTS\s+)?(?:"?\w+"?\.)?"?(\w+)"?(.*)', re.I | re.S)
_LABEL = re.compile(r"'((?:[^']|'')*)'")

#: Name -> its members in order; none that can be told where they are not written as plain text.
Kinds = dict[str, tuple[str, ...]]


class Kind(NamedTuple):
    """A type of PostgreSQL's."""

    name: str
    labels: tuple[str, ...]
    schema: str | None
    #: Its name as SQL has it.
    quoted: str


class Lines(NamedTuple):
    """What one direction of a migration has to say of types."""

    #: Before everything else, and after it.
    first: list[str]
    last: list[str]
    #: The types that are there by the time a table is made, which must not make them again.
    there: set[str]


class Plan(NamedTuple):
    up: Lines
    down: Lines


def native(kind: Any) -> Kind | None:
    """What PostgreSQL makes a type of its own of; None: it does not."""
    from sqlalchemy import ARRAY
    from sqlalchemy.dialects import mysql, postgresql
    from sqlalchemy.types import TypeDecorator

    if isinstance(kind, mysql.ENUM):
        return None  # as MySQL has it in a table: without a name, and no concern of PostgreSQL's
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
    found = kind.dialect_impl(dialect)
    while isinstance(found, (TypeDecorator, ARRAY)):
        inner: Any = found.item_type if isinstance(found, ARRAY) else found.impl_instance
        found = inner.dialect_impl(dialect)
    if not isinstance(found, postgresql.ENUM) or not found.name:
        return None
    quoted = dialect.identifier_preparer.format_type(found)
    return Kind(str(found.name), tuple(found.enums), found.schema, quoted)


def recorded(history: History) -> tuple[Kinds, set[str]]:
    """The types that the migrations leave behind, and the names of all that they ever made."""
    left: Kinds = {}
    ever: set[str] = set()
    for revision in history:
        dropped: set[str] = set()
        for verb, name, labels in _said(ast.parse(revision.path.read_bytes())):
            if verb == "DROP":
                dropped.add(name)
            else:
                left[name] = tuple(dict.fromkeys([*left.get(name, ()), *labels]))
        ever |= left.keys()
        for name in dropped:
            left.pop(name, None)
    return left, ever


def _said(module: ast.Module) -> Iterator[tuple[str, str, list[str]]]:
    """What a migration's way up says of types: (CREATE, ALTER or DROP; name; members)."""
    upgrade = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    for node in (inner for function in upgrade for inner in ast.walk(function)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("Enum", "ENUM"):
            said = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            name = said.get("name")
            if isinstance(name, str) and said.get("native_enum") is not False:
                yield "CREATE", name, [str(label.value) for label in node.args if isinstance(label, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for statement in node.value.split(";"):
                match = _SQL.search(statement)
                if match:
                    verb, name, rest = match.groups()
                    found = _LABEL.findall(rest)
                    if verb.upper() == "ALTER":
                        found = found[:1] if "ADD VALUE" in rest.upper() else []
                    yield verb.upper(), name, [label.replace("''", "'") for label in found]


def plan(script: MigrationScript, metadata: sqlalchemy.MetaData, history: History, dialect: str) -> Plan:
    """What a migration has to say of types. One that gives them new members alters their columns, too: to PostgreSQL
    that is nothing, but to MySQL everything."""
    left, ever = recorded(history)
    columns = [column for table in metadata.sorted_tables for column in table.columns]
    models = {kind.name: kind for column in columns if (kind := native(column.type)) is not None}
    up, down = script.upgrade_ops, script.downgrade_ops
    assert up is not None
    assert down is not None
    grown = {name for name, kind in models.items() if left.get(name) and set(kind.labels) - set(left[name])}
    _alter(up.ops, [c for c in columns if (kind := native(c.type)) is not None and kind.name in grown], left, dialect)
    up.reverse_into(down)

    made, dropped = _in_columns(up.ops, "new"), _in_columns(up.ops, "gone")
    after = (left.keys() | made.keys()) - (dropped.keys() - models.keys())
    upward = _lines(up.ops, set(left), after, ever)
    downward = _lines(down.ops, after, set(left), ever | after)
    for name in sorted(grown):
        upward.first.extend(_new_members(models[name], left[name]))
    return Plan(upward, downward)


def _lines(operations: list[Any], before: set[str], after: set[str], ever: set[str]) -> Lines:
    in_tables, in_columns = _in_columns(operations, "table"), _in_columns(operations, "new")
    # A new table makes the types of its columns. One that was made, dropped and comes again it would take to be there,
    # in a run of all migrations.
    by_hand = {n: kind for n, kind in in_columns.items() if n not in before and (n not in in_tables or n in ever)}
    gone = {**_in_columns(operations, "gone"), **in_columns}
    first = [_op(f"CREATE TYPE {kind.quoted} AS ENUM ({_labels(kind.labels)})") for kind in by_hand.values()]
    last = [_op(f"DROP TYPE IF EXISTS {gone[name].quoted}") for name in sorted(gone.keys() & before - after)]
    return Lines(_only(first), _only(last), in_tables.keys() & (before | by_hand.keys()))


def _in_columns(operations: Iterable[Any], where: str) -> dict[str, Kind]:
    """The types of columns that operations make, in new tables (`table`) and everywhere (`new`), or drop (`gone`)."""
    from alembic.operations import ops

    found: list[Any] = []
    flat = [inner for op in operations for inner in (op.ops if isinstance(op, ops.ModifyTableOps) else [op])]
    for op in flat:
        if isinstance(op, ops.DropTableOp if where == "gone" else ops.CreateTableOp):
            found.extend(column.type for column in op.to_table().columns)
        elif isinstance(op, ops.AddColumnOp) and where == "new":
            found.append(op.column.type)
        elif isinstance(op, ops.DropColumnOp) and where == "gone":
            found.append(op.to_column().type)
        elif isinstance(op, ops.AlterColumnOp) and op.modify_type is not None and where != "table":
            found.append(op.modify_type if where == "new" else op.existing_type)
    kinds = (native(kind) for kind in found if kind is not None)
    return {kind.name: kind for kind in kinds if kind is not None}


def _alter(operations: list[Any], columns: list[Any], left: Kinds, dialect: str) -> None:
    """Have columns altered whose enumeration has new members, where Alembic has not seen it."""
    import sqlalchemy
    from alembic.operations import ops

    new = {op.table_name for op in operations if isinstance(op, ops.CreateTableOp)}
    inner = [op for table in operations if isinstance(table, ops.ModifyTableOps) for op in table.ops]
    added = {(op.table_name, op.column.name) for op in inner if isinstance(op, ops.AddColumnOp)}
    altered = {(op.table_name, op.column_name): op for op in inner if isinstance(op, ops.AlterColumnOp)}
    for column in columns:
        table, kind = column.table.name, native(column.type)
        if kind is None or table in new or (table, column.name) in added:
            continue
        before = sqlalchemy.Enum(*left[kind.name], name=kind.name)
        op = altered.get((table, column.name))
        if op is None:
            op = ops.AlterColumnOp(
                table,
                column.name,
                schema=column.table.schema,
                existing_type=before,
                existing_nullable=column.nullable,
                existing_server_default=column.server_default,
                modify_type=column.type,
            )
            operations.append(ops.ModifyTableOps(table, [op], schema=column.table.schema))
        elif dialect != "postgresql":
            op.existing_type = before  # and not VARCHAR(5), as SQLite has it
            op.modify_type = column.type


def _new_members(kind: Kind, there: tuple[str, ...]) -> list[str]:
    statements, known = [], list(there)
    for number, label in enumerate(kind.labels):
        if label not in known:
            before, after = kind.labels[:number], [each for each in kind.labels[number:] if each in known]
            place = f" AFTER {_labels(before[-1:])}" if before else f" BEFORE {_labels(after[:1])}" if after else ""
            statements.append(_op(f"ALTER TYPE {kind.quoted} ADD VALUE IF NOT EXISTS {_labels([label])}{place}"))
            known.append(label)
    # What is added can be used when the transaction is over, and not before.
    block = ["with op.get_context().autocommit_block():", *(f"    {statement}" for statement in statements)]
    return _only(block)


def _only(statements: list[str]) -> list[str]:
    if not statements:
        return []
    return ['if op.get_context().dialect.name == "postgresql":', *(f"    {statement}" for statement in statements)]


def _op(sql: str) -> str:
    # op.execute takes a colon for a parameter.
    sql = sql.replace("\\", "\\\\").replace('"', '\\"').replace(":", "\\\\:")
    return f'op.execute("{sql}")'


def _labels(labels: Iterable[str]) -> str:
    return ", ".join("'" + label.replace("'", "''") + "'" for label in labels)


def written(kind: Any, there: set[str]) -> str | None:
    """How a type is written in a migration; None: as Alembic does.

    :param there: types that a new table must not make.
    """
    import sqlalchemy
    from sqlalchemy.dialects import postgresql

    found = native(kind)
    if not isinstance(kind, sqlalchemy.Enum) or found is None:
        return None
    own = isinstance(kind, postgresql.ENUM)  # as PostgreSQL has it in a table: no other database knows that
    if not own and found.name not in there:
        return None
    labels, name = ", ".join(map(repr, found.labels)), f"name={found.name!r}"
    more = f", schema={found.schema!r}" if found.schema else ""
    text = f"sa.Enum({labels}, {name}{more})"
    if found.name in there:
        text += f'.with_variant(postgresql.ENUM({labels}, {name}{more}, create_type=False), "postgresql")'
    return text
