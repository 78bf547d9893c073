"""Pages of a select, by the same tests on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from sqlalchemy import ForeignKey, String, desc, func, select, text, union, union_all
from sqlalchemy.orm import Mapped, aliased, joinedload, mapped_column, relationship, selectinload

from demijohn.database import Database
from demijohn.database.pages import Page, page
from demijohn.errors import OutsideRequestError, PageError
from tests.client import Client
from tests.services import MariaDB


class Library:
    """Books 1 to 23 by three authors: number n is by author n % 3 + 1 and has the tags "odd" or "even", and "all"."""

    def __init__(self, url: str) -> None:
        self.app = bottle.Bottle()
        self.db: Database = self.app.install(Database(url))
        Model: Any = self.db.Model

        class Author(Model):
            __tablename__ = "authors"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(20))

        class Tag(Model):
            __tablename__ = "tags"
            id: Mapped[int] = mapped_column(primary_key=True)
            book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
            name: Mapped[str] = mapped_column(String(20))

        class Book(Model):
            __tablename__ = "books"
            id: Mapped[int] = mapped_column(primary_key=True)
            author_id: Mapped[int] = mapped_column(ForeignKey(Author.id))
            author: Mapped[Any] = relationship(Author, lazy="joined", innerjoin=True)
            tags: Mapped[list[Any]] = relationship(Tag, order_by=Tag.id)

        self.Author, self.Tag, self.Book = Author, Tag, Book
        self.db.create_all()
        with self.db.unit() as db:
            db.add_all(Author(id=n, name=f"author {n}") for n in (1, 2, 3))
            for n in range(1, 24):
                tags = [Tag(name="odd" if n % 2 else "even"), Tag(name="all")]
                db.add(Book(id=n, author_id=n % 3 + 1, tags=tags))


@pytest.fixture
def library(database_url: str) -> Iterator[Library]:
    library = Library(database_url)
    yield library
    library.db.close()


def test_pages_of_every_kind_of_select_are_what_the_select_finds(library: Library) -> None:
    Author, Book, Tag = library.Author, library.Book, library.Tag
    books = Book.__table__
    low, high = select(Book.id).where(Book.id < 9), select(Book.id).where(Book.id > 4)
    recent = select(Book.id).where(Book.id > 10).cte("recent")
    other = aliased(Book)
    either = union(low, high).subquery()
    statements: dict[str, Any] = {
        "entities": select(Book).order_by(Book.id.desc()),
        "filtered": select(Book).where(Book.id > 5).order_by(Book.id),
        "nothing": select(Book).where(Book.id > 500).order_by(Book.id),
        "a column": select(Book.author_id).order_by(Book.id),
        "columns": select(Book.id, Book.author_id).order_by(Book.id),
        "columns of one name": select(Book.id, Tag.id).join(Tag).order_by(Tag.id),
        "an entity and a column": select(Book, Tag.name).join(Tag, Tag.book_id == Book.id).order_by(Tag.id),
        "Core": select(books).order_by(books.c.id),
        "a join that repeats": select(Book).join(Book.tags).order_by(Tag.id),
        "distinct": select(Book.author_id).distinct().order_by(Book.author_id),
        "distinct entities": select(Book).join(Book.tags).distinct().order_by(Book.id),
        "grouped": select(Book.author_id, func.count()).group_by(Book.author_id).order_by(Book.author_id),
        "having": select(Tag.name).group_by(Tag.name).having(func.count() > 11).order_by(desc(Tag.name)),
        "joined collection": select(Book).options(joinedload(Book.tags)).order_by(Book.id),
        "joined collection and a column": select(Book, Book.author_id).options(joinedload(Book.tags)).order_by(Book.id),
        "select in": select(Book).options(selectinload(Book.tags)).order_by(Book.id),
        "an alias": select(other).where(other.id > 3).order_by(other.id),
        "two entities": select(Book, other).join(other, other.id == Book.id + 1).order_by(Book.id),
        "order by another table": select(Book).join(Book.author).order_by(Author.name.desc(), Book.id),
        "order by a label": select((-Book.id).label("back")).order_by("back"),
        "CTE": select(Book).join(recent, recent.c.id == Book.id).order_by(Book.id),
        "union": union(low, high).order_by("id"),
        "union of columns": union_all(select(Book.id, Book.author_id), select(Tag.id, Tag.book_id)).order_by("id"),
        "union as a subquery": select(either.c.id).order_by(either.c.id),
        "entities of a union": select(aliased(Book, union(select(Book), select(Book)).subquery())).order_by(text("1")),
        "a scalar subquery": select(Book)
        .where(Book.id <= select(func.max(Book.id)).scalar_subquery())
        .order_by(Book.id),
    }
    for name, statement in statements.items():
        with library.db.unit() as db:
            result = db.execute(statement)
            if "joined" in name:
                result = result.unique()
            whole = list(
                result.scalars() if len(getattr(statement, "column_descriptions", result.keys())) == 1 else result
            )
            seen: list[Any] = []
            for number in range(1, max(2, (len(whole) + 4) // 5 + 1)):
                found = library.db.page(statement, number, 5, db=db)
                assert found.total == len(whole), (name, number)
                assert len(found) == min(5, len(whole) - len(seen)), (name, number)
                seen += found
            assert seen == whole, name
            with pytest.raises(bottle.HTTPError) as refusal:
                library.db.page(statement, number + 1, 5, db=db)
            assert refusal.value.status_code == 404, name


def test_rows_keep_their_names(library: Library) -> None:
    Book = library.Book
    with library.db.unit() as db:
        row = page(db, select(Book.id, Book.author_id.label("by")).order_by(Book.id), 2, 5).items[0]
        assert (row.id, row.by, row._mapping[Book.id], tuple(row)) == (6, 1, 6, (6, 1))


def test_what_is_loaded_with_them_is_loaded(library: Library) -> None:
    Book = library.Book
    for load in (joinedload, selectinload):
        with library.db.unit() as db:
            books = page(db, select(Book).options(load(Book.tags)).order_by(Book.id), 3, 5)
        assert [(book.id, [tag.name for tag in book.tags]) for book in books] == [
            (n, ["odd" if n % 2 else "even", "all"]) for n in range(11, 16)
        ]


def test_one_round_trip(mariadb: MariaDB, mariadb_url: str) -> None:
    library = Library(mariadb_url)
    Book = library.Book

    @library.app.get("/")
    def show() -> str:
        found = library.db.page(select(Book).order_by(Book.id), bottle.request.query.page, 5)
        return f"{found.items[0].id} {found.total}"

    client = Client(library.app)
    assert client.get("/").text == "1 23"
    with mariadb.statements() as seen:
        assert client.get("/?page=3").text == "11 23"
    assert len(seen) == 1
    with mariadb.statements() as seen:
        assert client.get("/?page=6").status == 404
    assert len(seen) == 1
    with mariadb.statements() as seen:
        for number in ("0", "abc", "9" * 30):
            assert client.get(f"/?page={number}").status in (400, 404)
    assert len(seen) == 0
    library.db.close()


def test_the_statement_is_compiled_once(sqlite_url: str) -> None:
    library = Library(sqlite_url)
    Book = library.Book

    def compiled() -> int:
        return len(library.db.engine._compiled_cache)  # type: ignore[arg-type]

    with library.db.unit() as db:
        page(db, select(Book).where(Book.id > 1).order_by(Book.id), 1, 5)
        before = compiled()
        for number in range(1, 5):
            page(db, select(Book).where(Book.id > number).order_by(Book.id), number, 4)
        assert compiled() == before
    library.db.close()


def test_numbers_as_they_stand_in_an_address(library: Library) -> None:
    books = select(library.Book).order_by(library.Book.id)
    with library.db.unit() as db:
        for first in (None, "", "1", 1):
            assert page(db, books, first, 5).number == 1
        assert page(db, books, "2", "5").items[0].id == 6
        assert page(db, books, "2", "").size == 20
        for nonsense in ("0", "-1", 0, -1, "abc", "1.5", " 1", "1e3", "٣", "0x1", "\0", "01", 1.0, True, [1]):
            for asked in ((nonsense, 5), (1, nonsense)):
                with pytest.raises(bottle.HTTPError) as refusal:
                    page(db, books, *asked)
                assert refusal.value.status_code == 400
                assert "The address asks for" in refusal.value.body
        for beyond in (6, "6", 2**30, 2**63, 10**30, "99999999999999999999", "9" * 5000):
            with pytest.raises(bottle.HTTPError) as refusal:
                page(db, books, beyond, 5, text="The shelf ends before.")
            assert (refusal.value.status_code, refusal.value.body) == (404, "The shelf ends before.")


def test_no_address_asks_for_more_than_the_most(library: Library) -> None:
    books = select(library.Book).order_by(library.Book.id)
    with library.db.unit() as db:
        for size in (1000, "1000", "9" * 5000):
            found = page(db, books, 1, size, most=7)
            assert (found.size, len(found), found.pages) == (7, 7, 4)
        assert page(db, books, 1, 1000).size == 100


def test_what_cannot_be_cut_into_pages_is_told(sqlite_url: str) -> None:
    library = Library(sqlite_url)
    Book = library.Book
    with library.db.unit() as db:
        for statement, message in [
            (select(Book), r"page\(\) needs an order.*: \.order_by\(Note\.created\.desc\(\), Note\.id\)"),
            (select(Book).order_by(Book.id).limit(5), "sets the limit"),
            (select(Book).order_by(Book.id).offset(5), "has one of its own"),
            (union(select(Book.id), select(Book.id)), "needs an order"),
            (text("SELECT 1"), "takes a select, not TextClause"),
            (Book, "takes a select"),
        ]:
            with pytest.raises(PageError, match=message):
                page(db, statement)
    with pytest.raises(OutsideRequestError):
        library.db.page(select(Book).order_by(Book.id))
    library.db.close()


def test_what_a_page_tells() -> None:
    found = Page(list("fghij"), number=2, size=5, total=12)
    assert (found.pages, found.first, found.last) == (3, 6, 10)
    assert (found.previous, found.next, found.has_previous, found.has_next) == (1, 3, True, True)
    assert list(found) == list("fghij")
    assert len(found) == 5
    last = Page(["k", "l"], number=3, size=5, total=12)
    assert (last.first, last.last, last.previous, last.next, last.has_next) == (11, 12, 2, None, False)
    empty: Page[str] = Page([], number=1, size=5, total=0)
    assert not empty
    assert (empty.pages, empty.first, empty.last, empty.previous, empty.next) == (1, 0, 0, None, None)
    assert empty.around() == [1]


@pytest.mark.parametrize(
    ("number", "near", "row"),
    [
        (1, 2, [1, 2, 3, None, 10]),
        (4, 2, [1, 2, 3, 4, 5, 6, None, 10]),
        (5, 2, [1, 2, 3, 4, 5, 6, 7, None, 10]),  # the gap would have held one page, 2
        (6, 1, [1, None, 5, 6, 7, None, 10]),
        (10, 2, [1, None, 8, 9, 10]),
        (6, 0, [1, None, 6, None, 10]),
        (6, 99, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_a_row_of_page_numbers(number: int, near: int, row: list[int | None]) -> None:
    assert Page(["x"], number, 1, 10).around(near) == row
