"""Made-up rows that look like real ones, by the names and the types of the columns."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Connection, Engine, ForeignKeyConstraint, MetaData, Table

from demijohn.database.data import tables as known
from demijohn.database.data.batches import said
from demijohn.database.data.numbering import go_on
from demijohn.database.data.plausible import Plausible
from demijohn.database.data.transaction import require_transactions, writing
from demijohn.errors import DataError

#: Rows in one statement: few, so that rows which point at their own table find some.
_BATCH = 500
#: Rows of another table that are pointed at.
_TARGETS = 10_000
#: How often another row is made up when one is there already.
_TRIES = 200


def choose(metadata: MetaData, name: str | None) -> list[Table]:
    """The table of this name; None: all but the parts' own, in the order in which they point at each other.

    :raises DataError: there is none.
    """
    if name is not None:
        return [known.find_table(metadata, name)]
    chosen = known.in_order(table for table in metadata.tables.values() if not known.is_own(table.name))[0]
    if not chosen:
        raise DataError("The site has no tables to fill: no model describes one.")
    return chosen


class Dummy:
    """:param seed: the same one makes the same rows; None: others each time.
    :param locale: of the names and texts, such as `de_DE`.
    :param tell: told how many rows more are in.
    :raises DataError: Faker is not installed, or does not know the locale.
    """

    def __init__(
        self,
        engine: Engine,
        tables: Sequence[Table],
        *,
        seed: int | None = None,
        locale: str | None = None,
        tell: Callable[[int], Any] = lambda count: None,
    ) -> None:
        self._engine = engine
        self._tables = tables
        self._tell = tell
        self._random = random.Random(seed)  # noqa: S311  # nobody's secret
        self._plausible = Plausible(self._random, seed, locale)

    def run(self, count: int) -> dict[str, int]:
        """Put so many rows into each table, in one transaction. Returns how many.

        :raises DataError: a table cannot have so many rows, or refuses them.
        """
        with writing(self._engine) as connection:
            known.require(connection, self._tables)
            require_transactions(connection, self._tables)
            for table in self._tables:
                try:
                    self._fill(connection, table, count)
                except sqlalchemy.exc.StatementError as error:
                    if isinstance(error, sqlalchemy.exc.OperationalError) and error.connection_invalidated:
                        raise
                    raise DataError(
                        f"{table.key} does not take the rows that were made up: {said(error)}. It may have a rule that "
                        "nobody could guess; write a seed file for it: demijohn db populate. Nothing was put in."
                    ) from error
            go_on(connection, self._tables)
        return {table.key: count for table in self._tables}

    def _fill(self, connection: Connection, table: Table, count: int) -> None:
        rows = _Rows(connection, table, self._random, self._plausible)
        left = count
        while left:
            size = min(left, _BATCH)
            rows.meet_targets()
            connection.execute(table.insert(), [rows.make() for _ in range(size)])
            left -= size
            self._tell(size)


class _Rows:
    """Makes rows of one table."""

    def __init__(self, connection: Connection, table: Table, chance: random.Random, plausible: Plausible) -> None:
        self._connection = connection
        self._table = table
        self._random = chance
        self._keys = sorted(table.foreign_key_constraints, key=lambda key: sorted(key.column_keys))
        pointing = {column for key in self._keys for column in key.columns}
        self._makers: dict[Column[Any], Callable[[], Any]] = {}
        dialect = connection.dialect
        for column in known.fillable(table):
            given = column is table.autoincrement_column or column.identity is not None
            # A key with a default, such as uuid4, knows best how it is made.
            if column in pointing or given or (column.primary_key and column.default is not None):
                continue
            if column.nullable and column.info.get("dummy") is False:
                continue  # the name of a file, of which there is none
            maker = plausible.maker(column, dialect)
            if maker is not None:
                self._makers[column] = maker
            elif not column.nullable and not known.makes_itself(column):
                raise DataError(
                    f"The column {table.key}.{column.name} is of the type {column.type!r}, which nobody here knows how "
                    "to make up. Write a seed file for this table: demijohn db populate"
                )
        made = {*self._makers, *pointing}
        self._unique = [columns for columns in _unique(table) if made.issuperset(columns)]
        self._taken = [self._existing(columns) for columns in self._unique]
        self._targets: dict[ForeignKeyConstraint, list[tuple[Any, ...]]] = {}

    def meet_targets(self) -> None:
        """Look up the rows that can be pointed at; among those of the table itself there are more each time."""
        for key in self._keys:
            if key not in self._targets or key.referred_table is self._table:
                columns = [element.column for element in key.elements]
                statement = sqlalchemy.select(*columns).order_by(*columns).limit(_TARGETS)
                self._targets[key] = [tuple(row) for row in self._connection.execute(statement)]

    def make(self) -> dict[str, Any]:
        """A row that is unlike those that are there wherever it must be."""
        for attempt in range(_TRIES):
            row = self._try(attempt)
            marks = [tuple(_mark(row[column.key]) for column in columns) for columns in self._unique]
            if all(mark not in taken or None in mark for mark, taken in zip(marks, self._taken, strict=True)):
                for mark, taken in zip(marks, self._taken, strict=True):
                    taken.add(mark)
                return row
        where = " and ".join(f"({', '.join(c.name for c in columns)})" for columns in self._unique)
        raise DataError(
            f"No more rows can be made up for {self._table.key}, whose {where} must differ from row to row: ask for "
            "fewer. Nothing was put in."
        )

    def _try(self, attempt: int) -> dict[str, Any]:
        row: dict[str, Any] = {}
        alone = {columns[0] for columns in self._unique if len(columns) == 1}
        for column, maker in self._makers.items():
            empty = column.nullable and column not in alone and self._random.random() < 0.1
            value = None if empty else maker()
            if attempt and column in alone and isinstance(value, str) and not isinstance(column.type, sqlalchemy.Enum):
                value = _numbered(value, self._random.randrange(10 ** min(3 + attempt // 20, 9)), column)
            nothing = sqlalchemy.null() if isinstance(column.type, sqlalchemy.JSON) else None
            row[column.key] = nothing if value is None else value
        for key in self._keys:
            self._point(key, row)
        return row

    def _point(self, key: ForeignKeyConstraint, row: dict[str, Any]) -> None:
        columns = list(key.columns)
        optional = all(column.nullable for column in columns)
        targets = self._targets[key]
        if targets and not (optional and self._random.random() < 0.2):
            values = self._random.choice(targets)
        elif optional:
            values = (None,) * len(columns)
        else:
            names = ", ".join(column.name for column in columns)
            raise DataError(
                f"{self._table.key}.{names} must point at a row of {key.referred_table.key}, and there is none. Fill "
                f"that first: demijohn db dummy 10 --table {key.referred_table.key}"
            )
        row.update(zip((column.key for column in columns), values, strict=True))

    def _existing(self, columns: Sequence[Column[Any]]) -> set[tuple[Any, ...]]:
        found = self._connection.execute(sqlalchemy.select(*columns))
        return {tuple(_mark(value) for value in row) for row in found}


def _unique(table: Table) -> list[list[Column[Any]]]:
    """The columns whose values together must differ from row to row."""
    found = [list(table.primary_key.columns)]
    for constraint in table.constraints:
        if isinstance(constraint, sqlalchemy.UniqueConstraint):
            found.append(list(constraint.columns))
    found += [list(index.columns) for index in table.indexes if index.unique]
    distinct = {tuple(column.name for column in columns): columns for columns in found if columns}
    return [distinct[names] for names in sorted(distinct)]


def _mark(value: Any) -> Any:
    """What tells two values apart: MySQL takes `Anna` and `anna` for the same text."""
    if isinstance(value, str):
        return value.casefold().strip()
    if isinstance(value, sqlalchemy.Null):
        return None
    return value if value.__hash__ else repr(value)


def _numbered(text: str, number: int, column: Column[Any]) -> str:
    """The text with a number in it: anna17@example.org, Anna 17."""
    length = getattr(column.type, "length", None)
    name, at, rest = text.rpartition("@")
    if at:
        return _short(f"{name}{number}{at}{rest}", length)
    room = None if length is None else max(length - len(str(number)), 0)
    joined = "" if room == 0 or " " not in text else " "
    return _short(f"{text if room is None else text[: max(room - len(joined), 0)]}{joined}{number}", length)


def _short(text: str, length: int | None) -> str:
    return text if length is None else text[:length]
