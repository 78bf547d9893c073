"""The shortcuts of models, by the same tests on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bottle
import pytest
from sqlalchemy import ForeignKey, MetaData, String, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from demijohn.database import Database
from demijohn.database.models import Shortcuts
from demijohn.errors import NoDatabaseError, OutsideRequestError, UnknownFieldError
from tests.services import MariaDB
from tests.shop import Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.db.close()


def test_create_get_update_and_delete_in_the_session_of_the_request(shop: Shop) -> None:
    Note = shop.Note

    @shop.app.post("/notes")
    def create() -> str:
        return str(Note.create(text="made").id)

    @shop.app.get("/notes/<id>")
    def show(id: str) -> str:
        return str(Note.get_or_404(id).text)

    @shop.app.post("/notes/<id>")
    def change(id: str) -> str:
        note = Note.get_or_404(id)
        assert note.update(text="changed", count=2) is note
        return "ok"

    @shop.app.delete("/notes/<id>")
    def delete(id: str) -> str:
        Note.get_or_404(id, "There is no such note.").delete()
        return "ok"

    id = shop.client.post("/notes").text
    assert shop.client.get(f"/notes/{id}").text == "made"
    assert shop.client.post(f"/notes/{id}").text == "ok"
    assert shop.client.get(f"/notes/{id}").text == "changed"
    assert shop.client.ask("DELETE", f"/notes/{id}").text == "ok"
    assert shop.texts() == set()
    answer = shop.client.get(f"/notes/{id}")
    assert answer.status == 404
    assert "What you are looking for is not here, or not any more." in answer.text
    assert "There is no such note." in shop.client.ask("DELETE", f"/notes/{id}").text


def test_what_a_request_wrote_by_a_shortcut_goes_with_it(shop: Shop) -> None:
    @shop.app.post("/")
    def create() -> None:
        shop.Note.create(text="made and dropped")
        bottle.abort(409, "no")

    assert shop.client.post("/").status == 409
    assert shop.texts() == set()


@pytest.mark.parametrize("server", ["mariadb_url", "postgresql_url"])  # SQLite takes any text for any column
def test_what_the_database_says_is_answered_where_no_handler_names_it(
    server: str, request: pytest.FixtureRequest
) -> None:
    shop = Shop(request.getfixturevalue(server))
    shop.app.route("/", method="POST", callback=lambda: shop.Note.create(text="x" * 51) and "ok")
    answer = shop.client.post("/")
    assert answer.status == 400
    assert "The database refused a value" in answer.text
    shop.db.close()


def test_a_session_that_is_handed_is_the_one(shop: Shop) -> None:
    Note = shop.Note
    with shop.db.unit() as db:
        note = Note.create(db=db, text="in a unit")
        assert note in db
        assert Note.get(note.id, db=db) is note
        assert Note.get_or_404(str(note.id), db=db) is note
        other = Note.create(db=db, text="another")
        assert Note.all(db=db) == [note, other]
        note.update(text="changed")  # of its own session: there is no request here
        other.delete()
    assert shop.texts() == {"changed"}


def test_a_row_is_deleted_once(shop: Shop) -> None:
    """Who deletes it a second time must not undo what belongs to it a second time."""
    with shop.db.unit() as db:
        note = shop.Note.create(db=db, text="shared")
        db.execute(delete(shop.Note).where(shop.Note.id == note.id).execution_options(synchronize_session=False))
        with pytest.raises(bottle.HTTPError, match="not here, or not any more") as refused:
            note.delete()
        assert refused.value.status_code == 404


def test_outside_a_request_it_is_told(shop: Shop) -> None:
    for use in (lambda: shop.Note.get(1), shop.Note.all, lambda: shop.Note.create(text=""), shop.Note().delete):
        with pytest.raises(OutsideRequestError, match=r"with site\.db\.unit\(\) as db"):
            use()


def test_a_row_whose_session_is_closed_is_taken_into_another(shop: Shop) -> None:
    with shop.db.unit() as db:
        note = shop.Note.create(db=db, text="before")
        gone = shop.Note.create(db=db, text="gone")
    with pytest.raises(OutsideRequestError):
        note.update(text="after")
    assert note.text == "before"
    with shop.db.unit() as db:
        note.update(db=db, text="after")
        gone.delete(db=db)
    assert shop.texts() == {"after"}


def test_what_the_database_refuses_is_raised_at_once(shop: Shop) -> None:
    with shop.db.unit() as db:
        shop.Note.create(db=db, text="once")
    with shop.db.unit() as db:
        with pytest.raises(IntegrityError):
            shop.Note.create(db=db, text="once")
        db.rollback()
        note = shop.Note.create(db=db, text="other")
        with pytest.raises(IntegrityError):
            note.update(text="once")
        db.rollback()
    assert shop.texts() == {"once"}


def test_a_row_that_others_need_is_not_deleted(database_url: str) -> None:
    database = Database(database_url)

    class Author(database.Model):  # type: ignore[name-defined]
        __tablename__ = "authors"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Book(database.Model):  # type: ignore[name-defined]
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int] = mapped_column(ForeignKey(Author.id))

    database.create_all()
    with database.unit() as db:
        author = Author.create(db=db)
        Book.create(db=db, author_id=author.id)
    with database.unit() as db:
        with pytest.raises(IntegrityError):
            Author.get(author.id, db=db).delete()
        db.rollback()
    database.close()


def test_a_name_that_a_model_does_not_have(shop: Shop) -> None:
    with shop.db.unit() as db:
        note = shop.Note.create(db=db, text="a")
        with pytest.raises(UnknownFieldError, match=r"Note has nothing called 'txet' that could be set\. Is it text\?"):
            note.update(count=5, txet="b")
        with pytest.raises(UnknownFieldError, match="It has: id, text, count"):
            note.update(delete=True)
        assert note.count == 0
        with pytest.raises(TypeError, match="txet"):
            shop.Note.create(db=db, txet="b")


def test_a_column_may_be_called_as_a_shortcut(database_url: str) -> None:
    database = Database(database_url)

    class Odd(database.Model):  # type: ignore[name-defined]
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)
        get: Mapped[int]
        all: Mapped[int | None]
        update: Mapped[str] = mapped_column(String(9))
        delete: Mapped[str] = mapped_column("removed", String(9))
        db: Mapped[int] = mapped_column(default=3)

    database.create_all()
    with database.unit() as db:
        with pytest.raises(TypeError, match="Where Odd has a column called db, it is set on the object"):
            Odd.create(db=4, get=1, update="u", delete="d")
        Odd.create(db=db, get=1, update="u", delete="d")
    with database.unit() as db:
        row = Odd.get_or_404(1, db=db)
        assert [row.get, row.all, row.update, row.delete, row.db] == [1, None, "u", "d", 3]
        assert db.scalars(select(Odd.update).where(Odd.get == 1)).all() == ["u"]
    database.close()


def test_properties_and_relationships_can_be_updated(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    class Person(database.Model):  # type: ignore[name-defined]
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True)
        secret: Mapped[str] = mapped_column(default="")
        friend_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
        friend: Mapped[Any] = relationship("Person", remote_side=[id])
        friends: Mapped[list[Any]] = relationship("Person", lazy="joined", viewonly=True)

        @property
        def password(self) -> str:
            raise AttributeError

        @password.setter
        def password(self, text: str) -> None:
            self.secret = text[::-1]

    database.create_all()
    with database.unit() as db:
        anna, ben, cleo = (Person.create(db=db) for _ in range(3))
        for friend in (ben, cleo):
            friend.update(password="abc", friend=anna)
    with database.unit() as db:
        people = Person.all(db=db)
        assert [person.secret for person in people] == ["", "cba", "cba"]  # each once, though loaded by a join
        assert people[1].friend is people[0]
    database.close()


def test_a_base_of_ones_own(database_url: str) -> None:
    database = Database(database_url)

    class Model(Shortcuts, DeclarativeBase, db=database):
        """As a type checker wants it."""

    class Note(Model):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Other(database.Model):  # type: ignore[name-defined]
        __tablename__ = "others"
        id: Mapped[int] = mapped_column(primary_key=True)
        note_id: Mapped[int] = mapped_column(ForeignKey(Note.id))

    assert set(database.create_all()) == {"notes", "others"}
    with database.unit() as db:
        note: Note = Note.create(db=db)
        found: Note | None = Note.get(note.id, db=db)
        assert found is note.update()
        Other.create(db=db, note_id=note.id)
    database.close()


def test_a_base_without_a_database_works_in_the_session_that_is_handed(sqlite_url: str) -> None:
    class Model(Shortcuts, DeclarativeBase):
        metadata = MetaData()

    class Note(Model):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)

    database = Database(sqlite_url)
    Model.metadata.create_all(database.engine)
    with Session(database.engine) as db:
        assert Note.create(db=db).id == 1
        with pytest.raises(NoDatabaseError, match="The base of Note has no database"):
            Note.get(1)
    database.close()


def test_a_row_by_its_key_is_one_round_trip(mariadb: MariaDB, mariadb_url: str) -> None:
    shop = Shop(mariadb_url)
    with shop.db.unit() as db:
        shop.Note.create(db=db, text="a")

    @shop.app.get("/<id>")
    def show(id: str) -> str:
        return str(shop.Note.get_or_404(id).text)

    assert shop.client.get("/1").text == "a"
    with mariadb.statements() as seen:
        assert shop.client.get("/1").text == "a"
        assert shop.client.get("/1x").status == 404
    assert len(seen) == 1
    shop.db.close()


def test_threads_do_not_meet(shop: Shop) -> None:
    def work(number: int) -> int:
        with shop.db.unit() as db:
            note = shop.Note.create(db=db, text=f"number {number}")
            note.update(count=number)
        with shop.db.unit() as db:
            return int(shop.Note.get_or_404(note.id, db=db).count)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(40))) == list(range(40))
    with shop.db.unit() as db:
        assert len(shop.Note.all(db=db)) == 40
    assert shop.checked_out == 0
