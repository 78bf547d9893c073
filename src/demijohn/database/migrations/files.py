"""The migrations that a site's folder holds, read without running or importing any of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from demijohn.errors import MigrationError


class Revision(NamedTuple):
    """One migration."""

    id: str
    #: The migrations that it follows: none for the first, two or more where it merges.
    follows: tuple[str, ...]
    #: Others that must have run before it.
    depends: tuple[str, ...]
    #: What it is for: the first line of its docstring.
    purpose: str
    path: Path
    #: The tables that it makes or renames to.
    tables: frozenset[str]

    def __str__(self) -> str:
        return f"{self.id} ({self.purpose})" if self.purpose else self.id


class History:
    """The migrations of a release.

    :raises MigrationError: two have one id, or one follows another that is not there, or they go round in a circle.
    """

    def __init__(self, revisions: Iterable[Revision] = ()) -> None:
        self._by_id: dict[str, Revision] = {}
        for revision in revisions:
            twin = self._by_id.setdefault(revision.id, revision)
            if twin is not revision:
                raise MigrationError(
                    f"Two migrations have the id {revision.id}: {twin.path.name} and {revision.path.name}. One is "
                    "perhaps a copy of the other; remove it, or give it an id of its own."
                )
        for revision in self._by_id.values():
            for id in revision.follows:
                if id not in self._by_id:
                    raise MigrationError(
                        f"The migration {revision.path.name} follows {id}, which is not in {revision.path.parent}. "
                        "Put its file back, or correct down_revision."
                    )
        #: All of them, each after those that it needs.
        self.revisions = tuple(self._in_order())

    def __iter__(self) -> Iterator[Revision]:
        return iter(self.revisions)

    def __len__(self) -> int:
        return len(self.revisions)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: str) -> Revision:
        return self._by_id[id]

    @property
    def heads(self) -> tuple[str, ...]:
        """The migrations that no other follows: one, or more where branches of the source were merged."""
        followed = {id for revision in self for id in revision.follows}
        return tuple(revision.id for revision in self if revision.id not in followed)

    @property
    def tables(self) -> frozenset[str]:
        """Every table that a migration has made: what is the site's in a database that others may use, too."""
        return frozenset[str]().union(*(revision.tables for revision in self))

    def up_to(self, ids: Iterable[str]) -> set[str]:
        """These migrations, and all that must have run before them. Ids that are unknown are left out."""
        found: set[str] = set()
        waiting = [id for id in ids if id in self]
        while waiting:
            id = waiting.pop()
            if id not in found:
                found.add(id)
                waiting.extend(self._needs(self[id]))
        return found

    def _needs(self, revision: Revision) -> Iterator[str]:
        # What it depends on may be the name of a branch, which says nothing here.
        yield from (id for id in (*revision.follows, *revision.depends) if id in self)

    def _in_order(self) -> Iterator[Revision]:
        done: set[str] = set()
        left = sorted(self._by_id.values(), key=lambda revision: revision.path.name)
        while left:
            ready = next((revision for revision in left if done.issuperset(self._needs(revision))), None)
            if ready is None:
                names = ", ".join(revision.path.name for revision in left)
                raise MigrationError(f"These migrations follow each other in a circle: {names}.")
            left.remove(ready)
            done.add(ready.id)
            yield ready


def read(folder: Path) -> History:
    """The migrations in `folder`/versions.

    :raises MigrationError: a file cannot be read, or does not say which migration it is.
    """
    paths = sorted((folder / "versions").glob("*.py"))
    return History(_read(path) for path in paths if path.name != "__init__.py" and not path.name.startswith("."))


def _read(path: Path) -> Revision:
    try:
        module = ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError) as error:
        raise MigrationError(f"The migration {path} cannot be read: {error}.") from None
    said: dict[str, Any] = {}
    for statement in module.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("revision", "down_revision", "depends_on") and value:
                try:
                    said[target.id] = ast.literal_eval(value)
                except ValueError:
                    raise MigrationError(f"{path} does not say {target.id} as plain text, so it is not read.") from None
    if not isinstance(said.get("revision"), str):
        raise MigrationError(
            f'{path} is no migration: it has no line `revision = "..."`. Keep other modules out of that folder.'
        )
    purpose = (ast.get_docstring(module) or "").partition("\n")[0].strip()
    return Revision(
        said["revision"],
        _ids(said.get("down_revision")),
        _ids(said.get("depends_on")),
        purpose,
        path,
        frozenset(_tables(module)),
    )


def _ids(said: Any) -> tuple[str, ...]:
    return () if said is None else (said,) if isinstance(said, str) else tuple(said)


def _tables(module: ast.Module) -> Iterator[str]:
    place = {"create_table": 0, "rename_table": 1}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in place:
            said = node.args[place[node.func.attr] :][:1]
            if said and isinstance(said[0], ast.Constant) and isinstance(said[0].value, str):
                yield said[0].value
