"""Pages of what a select finds, with how many there are in all, in one round trip.

page = site.db.page(select(Note).order_by(Note.id), request.query.page, 20)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import bottle
from sqlalchemy import CompoundSelect, Select, func, select

from demijohn.errors import PageError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    Number = int | str | None

T = TypeVar("T")
SIZE, MOST = 20, 100
BEYOND = "There are not that many pages."
_NUMBER = re.compile("[1-9][0-9]*")
_FURTHEST = 2**31 - 1  # rows: SQLAlchemy tells PostgreSQL that an OFFSET has 32 bits


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page: `for note in page`. `len(page)` is the number of items on it, and an empty one is false."""

    items: list[T]
    #: Which page this is; the first is 1.
    number: int
    #: The most items on a page.
    size: int
    #: The items on all pages.
    total: int

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def pages(self) -> int:
        """How many pages there are; one at least, if only an empty one."""
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """The number of the first item here among all: "21" of "21 to 40 of 93". 0 on an empty page."""
        return (self.number - 1) * self.size + 1 if self.items else 0

    @property
    def last(self) -> int:
        """The number of the last item here among all."""
        return (self.number - 1) * self.size + len(self.items) if self.items else 0

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def has_next(self) -> bool:
        return self.number < self.pages

    @property
    def previous(self) -> int | None:
        """The number of the page before, if there is one."""
        return self.number - 1 if self.has_previous else None

    @property
    def next(self) -> int | None:
        """The number of the page after, if there is one."""
        return self.number + 1 if self.has_next else None

    def around(self, near: int = 2) -> list[int | None]:
        """The page numbers for a row of links: the first, the last, and `near` of them on both sides of this one. None
        stands for those left out between them: [1, None, 6, 7, 8, 9, 10, None, 31]."""
        wanted = {1, self.pages, *range(max(1, self.number - near), min(self.pages, self.number + near) + 1)}
        row: list[int | None] = []
        before = 0
        for number in sorted(wanted):
            if number - before > 1:
                row.append(before + 1 if number - before == 2 else None)  # for one page a gap is no shorter
            row.append(number)
            before = number
        return row


def page(
    session: Session,
    statement: Any,
    number: Number = 1,
    size: Number = SIZE,
    *,
    most: int = MOST,
    text: str = BEYOND,
) -> Page[Any]:
    """The page `number` of what `statement` finds.

    :param statement: a select with an order and without a limit. Of one thing, `select(Note)`, the items are those
        things; of several they are rows. A union takes two round trips, unless it is the subquery of a select.
    :param number: also as it stands in an address: "2". Nothing, None or "", is the first page.
    :param size: the most items on a page; as `number`.
    :param most: the largest `size` that is given, whatever is asked for.
    :param text: what the visitor reads where the pages do not go on that far.
    :raises bottle.HTTPError: 400 where number or size is not a number from 1 on; 404 behind the last page.
    :raises PageError: the statement cannot be cut into pages.
    """
    _check(statement)
    number = _whole(number, 1, "The address asks for a page that is not a number. Pages are counted 1, 2, 3.")
    size = min(_whole(size, SIZE, "The address asks for pages of a size that is not a number from 1 on."), most)
    offset = (number - 1) * size
    if offset > _FURTHEST:
        raise bottle.HTTPError(404, text)
    read = _read_apart if isinstance(statement, CompoundSelect) else _read_at_once
    items, total = read(session, statement, size, offset)
    if not items and number > 1:
        raise bottle.HTTPError(404, text)
    return Page(items, number, size, total)


def _read_at_once(session: Session, statement: Any, size: int, offset: int) -> tuple[list[Any], int]:
    # A column of its own, which is the same in each row. It is right with DISTINCT, GROUP BY and joins, where a window
    # function counts something else, and MySQL 5.7 knows it.
    total = _count(statement).scalar_subquery()
    result = session.execute(statement.add_columns(total.label("total_of_pages")).limit(size).offset(offset))
    # Where collections are loaded by a join SQLAlchemy insists on `unique()`, which elsewhere would drop equal rows.
    if getattr(result, "_unique_filter_state", None) is not None:
        result = result.unique()
    width = len(statement.column_descriptions)
    if width == 1:
        rows = result.all()
        return [row[0] for row in rows], rows[0][1] if rows else 0
    frozen = result.freeze()
    counted = frozen().columns(width).first()
    return list(frozen().columns(*range(width))), counted[0] if counted else 0


def _read_apart(session: Session, statement: Any, size: int, offset: int) -> tuple[list[Any], int]:
    result = session.execute(statement.limit(size).offset(offset))
    items = list(result.scalars() if len(result.keys()) == 1 else result)
    if len(items) == size or (not items and offset):
        return items, session.scalar(_count(statement)) or 0 if items else 0
    return items, offset + len(items)  # the last page tells how many there are


def _count(statement: Any) -> Any:
    # Without the order, which the database might sort for.
    return select(func.count()).select_from(statement.order_by(None).subquery("counted"))


def _check(statement: Any) -> None:
    if not isinstance(statement, (Select, CompoundSelect)):
        raise PageError(f"page() takes a select, not {type(statement).__name__}: page(select(Note).order_by(Note.id)).")
    if any(part is not None for part in (statement._limit_clause, statement._offset_clause, statement._fetch_clause)):
        raise PageError("page() sets the limit and the offset itself, and the select has one of its own. Leave it out.")
    if not statement._order_by_clauses:
        raise PageError(
            "page() needs an order, the last part of it unique: .order_by(Note.created.desc(), Note.id). Without one "
            "the database may show a row on two pages and another on none."
        )


def _whole(value: Number, default: int, complaint: str) -> int:
    if value is None or value == "":
        return default
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value[:19])  # of a number that has more digits nothing is found either
    if type(value) is not int or value < 1:
        raise bottle.HTTPError(400, complaint)
    return value
