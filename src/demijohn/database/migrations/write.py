"""New files: the folder of the migrations, and a migration in it."""

from __future__ import annotations

import ast
import re
import textwrap
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demijohn.database.migrations import enums
from demijohn.database.migrations.compare import context_of, phrases, produce
from demijohn.database.migrations.files import History
from demijohn.database.migrations.state import current, place
from demijohn.database.migrations.steps import two_heads
from demijohn.errors import MigrationError

if TYPE_CHECKING:
    from demijohn.database import Database

README = """\
# Migrations

The files in `versions/` bring the database's tables from one release to the next, each once and in their order. They
belong to the source: commit them.

    demijohn db migrate -m "what for"   # after a change of the models: writes the next one; read it, mend it
    demijohn db upgrade                 # runs those that have not run; at each release, on each instance
"""

_FILE = '''\
"""{purpose}"""

# Made at {when} UTC{after}.

from __future__ import annotations

{imports}

revision = "{id}"
down_revision = {follows}
branch_labels = None
depends_on = None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
'''
_LENGTH = 50  # characters of a file's name that tell what it is for


def make_folder(folder: Path) -> bool:
    """Make the folder of the migrations. Returns False where it was there."""
    new = not folder.is_dir()
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    readme = folder / "README.md"  # git keeps no empty folder
    if new and not readme.exists():
        readme.write_text(README, encoding="utf8")
    return new


def migrate(db: Database, folder: Path, history: History, message: str | None, *, empty: bool = False) -> Path | None:
    """Write the migration that brings the database, which is at the head, to what the models say.

    The first one is made as for an empty database, though this one may have its tables already: production's has not.

    :param empty: write one that does nothing yet, to be filled by hand.
    :returns: the new file; None where nothing has changed, and nothing is written.
    :raises MigrationError: the database is not at the head, or the migrations have two.
    """
    from alembic.autogenerate import render_python_code

    if len(history.heads) > 1:
        raise MigrationError(two_heads(history))
    if empty:
        return _write(folder, history.heads, message or "by hand", "    pass", "    pass", set())
    with db.migrations.reading_engine().connect() as connection:
        schema = place(history, current(connection))
        if schema.state in ("behind", "ahead", "no version") and (history or schema.state == "ahead"):
            raise MigrationError(f"Only a database that is up to date can be compared with the models. {schema}")
        context = context_of(connection, db.metadata, history, empty=not history)
        script, types = produce(context, db.metadata, history)
        assert script.upgrade_ops is not None
        assert script.downgrade_ops is not None
        if script.upgrade_ops.is_empty():
            return None
        imports: set[str] = set()
        options: dict[str, Any] = {"migration_context": context, "render_as_batch": True}
        up, down = (
            _around(render_python_code(ops, render_item=_Types(imports, lines.there), **options), lines)
            for ops, lines in ((script.upgrade_ops, types.up), (script.downgrade_ops, types.down))
        )
        purpose = message or _purpose(phrases(script.upgrade_ops))
    return _write(folder, history.heads, purpose, up, down, imports)


def merge(folder: Path, history: History, message: str | None) -> Path | None:
    """Write the migration that joins the ends which branches of the source have left; None where there is one end."""
    if len(history.heads) < 2:
        return None
    purpose = message or f"merge {' and '.join(history.heads)}"
    return _write(folder, history.heads, purpose, "    pass", "    pass", set())


class _Types:
    """How a type is written: one of the site's own as the type that the database sees, so that no migration imports
    the site, whose classes move and go."""

    def __init__(self, imports: set[str], there: set[str]) -> None:
        self._imports = imports
        self._there = there

    def __call__(self, kind: str, thing: Any, context: Any) -> Any:
        if kind != "type":
            return False
        from sqlalchemy.types import TypeDecorator

        context.imports = self._imports
        if isinstance(thing, TypeDecorator) and not type(thing).__module__.startswith("sqlalchemy."):
            from alembic.autogenerate.render import _repr_type

            return _repr_type(thing.impl_instance, context)
        text = enums.written(thing, self._there)
        if text is not None and "postgresql." in text:
            self._imports.add("from sqlalchemy.dialects import postgresql")
        return text or False


def _around(code: str, lines: enums.Lines) -> str:
    """Alembic's code between what is said of types."""
    bare = textwrap.dedent(f"    {code.lstrip()}")
    return textwrap.indent("\n".join([*lines.first, bare, *lines.last]), "    ")


def _purpose(changes: list[str]) -> str:
    """What a migration does, in a line: `create users, entries, change notes.text`."""
    shown = [
        change.partition(" ")[2] if before and before.split()[0] == change.split()[0] else change
        for before, change in zip(["", *changes], changes, strict=False)
    ]
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")


def _write(folder: Path, follows: tuple[str, ...], purpose: str, up: str, down: str, imports: set[str]) -> Path:
    from alembic.util import rev_id

    id = rev_id()
    now = datetime.now(timezone.utc)
    purpose = " ".join(purpose.split())
    slug = re.sub(r"[\W_]+", "_", purpose).strip("_").lower()[:_LENGTH].strip("_") or "migration"
    path = folder / "versions" / f"{now:%Y-%m-%d_%H%M}_{slug}.py"
    if path.exists():
        path = path.with_name(f"{path.stem}_{id}.py")
    body = _FILE.format(
        purpose=purpose.replace("\\", "/").replace('"', "'"),
        when=f"{now:%Y-%m-%d %H:%M}",
        after=f"; runs after {' and '.join(follows)}" if follows else "; the first",
        imports="\n".join(sorted(imports | {"import sqlalchemy as sa", "from alembic import op"}, key=_rank)),
        id=id,
        follows=repr(follows[0] if len(follows) == 1 else follows or None).replace("'", '"'),
        up=_tidy(up),
        down=_tidy(down),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf8") as file:
        file.write(body)
    return path


def _rank(line: str) -> tuple[bool, str]:
    return not line.startswith("import "), line.split()[1]


def _tidy(code: str) -> str:
    """Alembic's code without its comments to the reader, and indented by four."""
    lines = textwrap.dedent(f"    {code.lstrip()}").replace(", schema=None)", ")").splitlines()
    plain = "\n".join(line.rstrip() for line in lines if not line.lstrip().startswith("# ### ")).strip("\n") or "pass"
    return textwrap.indent(_step_in(plain), "    ")


def _step_in(code: str) -> str:
    """The columns of a table one step further in than the table."""
    depth, lines = 0, []
    for line in code.split("\n"):
        lines.append(f"    {line}" if depth > 0 and line.strip() != ")" else line)
        depth += line.count("(") - line.count(")")
    stepped = "\n".join(lines)
    try:  # a bracket in a text has been counted as well
        return stepped if ast.dump(ast.parse(stepped)) == ast.dump(ast.parse(code)) else code
    except SyntaxError:
        return code
