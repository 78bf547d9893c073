"""The declarative base of a site's models, with the shortcuts that each of them has:

class Note(site.db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]

Note.get(5), Note.get_or_404(5), Note.all(), Note.create(text="..."), note.update(text="..."), note.delete()

Each works in the session that it is handed, `Note.get(5, db=db)`, or else in that of the request.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import bottle
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Session, object_session, scoped_session

from demijohn.errors import NoDatabaseError, UnknownFieldError

if TYPE_CHECKING:
    from typing_extensions import Self  # SQLAlchemy brings it

    from demijohn.database.plugin import Database

RowT = TypeVar("RowT", bound="Shortcuts")
#: What a visitor reads where `get_or_404` finds nothing.
NOT_HERE = "What you are looking for is not here, or not any more."


class Shortcuts:
    """Mixed into a declarative base. `site.db.Model` is one, ready-made; a type checker wants to see it written down:

    class Model(Shortcuts, DeclarativeBase, db=site.db): ...

    A model may have a column that is called as one of these. The column is then what the name means there.
    """

    _database: ClassVar[Database | None] = None

    def __init_subclass__(cls, *, db: Database | None = None, **options: Any) -> None:
        """:param db: of a base: whose tables these are, and whose request's session the shortcuts work in."""
        if db is not None:
            cls._database = db
            if "metadata" not in vars(cls):
                cls.metadata = db.metadata  # type: ignore[attr-defined]
        super().__init_subclass__(**options)

    @classmethod
    def get(cls, key: Any, *, db: Session | None = None) -> Self | None:
        """The row with this primary key, or None.

        :param key: also as it stands in an address, "12". What cannot be a key, "12x" or None, is not found, and the
            database is not asked: PostgreSQL would fail at it, and MySQL would take it for 12. A tuple where the key
            has several columns.
        """
        return _get(cls, key, db)

    @classmethod
    def get_or_404(cls, key: Any, text: str = NOT_HERE, *, db: Session | None = None) -> Self:
        """As `get`.

        :param text: what the visitor reads.
        :raises bottle.HTTPError: 404, if there is no such row.
        """
        found = _get(cls, key, db)
        if found is None:
            raise bottle.HTTPError(404, text)
        return found

    @classmethod
    def all(cls, *, db: Session | None = None) -> list[Self]:
        """All rows, in the order of their keys. For tables that are small and stay so; else there is `page`."""
        model: Any = cls  # mypy holds that a class cannot be hashed
        return list(_session(cls, db).scalars(_select_all(model)).unique())

    @classmethod
    def create(cls, *, db: Session | None = None, **values: Any) -> Self:
        """Make a row, and send it to the database: its key is known after it, and a refusal is raised here."""
        session = _session(cls, db)
        row = cls(**values)
        session.add(row)
        session.flush()
        return row

    def update(self, *, db: Session | None = None, **values: Any) -> Self:
        """Set these values, and send them to the database, which raises its refusal here. Names that the model does
        not have are refused before anything is set.

        :param db: else the session that the row came from; of a row whose session is closed, that of the request.
        :raises UnknownFieldError: for a name that the model does not have.
        """
        _check_names(type(self), values)
        session = _session_of(self, db)
        for name, value in values.items():
            setattr(self, name, value)
        session.add(self)
        session.flush()
        return self

    def delete(self, *, db: Session | None = None) -> None:
        """Delete this row in the database, which raises its refusal here.

        :param db: as of `update`.
        :raises bottle.HTTPError: 404, if it is not there any more. Of many who delete it at the same time one does; the
            others must not undo what belongs to it a second time, such as the count of its file.
        """
        session = _session_of(self, db)
        state = sqlalchemy.inspect(self)
        if state.persistent:
            key = [state.mapper.get_property_by_column(column).key for column in state.mapper.primary_key]
            try:
                session.refresh(self, key, with_for_update=True)
            except sqlalchemy.exc.InvalidRequestError:
                raise bottle.HTTPError(404, NOT_HERE) from None
        session.delete(self)
        session.flush()


def make_base(database: Database) -> type[DeclarativeBase]:
    """A declarative base for this database, with names of its own: two sites in one process do not mix theirs."""

    class Model(Shortcuts, DeclarativeBase, db=database):
        pass

    return Model


def _session(model: type[Shortcuts], handed: Session | None) -> Session:
    """The session that was handed, or that of the request.

    :raises OutsideRequestError: there is neither.
    """
    if handed is not None:
        if not isinstance(handed, (Session, scoped_session)):
            raise TypeError(
                f"db={handed!r} is not a session. Where {model.__name__} has a column called db, it is set on the "
                f"object: row = {model.__name__}(db=...), then db.add(row)."
            )
        return handed
    if model._database is None:
        raise NoDatabaseError(
            f"The base of {model.__name__} has no database whose session could be taken. Hand a session, db=session, "
            "or name the database where the base is made: class Model(Shortcuts, DeclarativeBase, db=database)."
        )
    return model._database.session


def _session_of(row: Shortcuts, handed: Session | None) -> Session:
    return _session(type(row), handed or object_session(row))


def _get(model: type[RowT], key: Any, handed: Session | None) -> RowT | None:
    from demijohn.database.keys import read_key  # which not every site needs

    session = _session(model, handed)
    parts = read_key(model, key, session)
    if parts is None:
        return None
    return session.get(model, parts[0] if len(parts) == 1 else parts)


@lru_cache(maxsize=512)
def _select_all(model: Any) -> Any:
    """Built once: building it takes as long as the database takes to answer it."""
    return sqlalchemy.select(model).order_by(*sqlalchemy.inspect(model).primary_key)


def _check_names(model: type[Any], names: Iterable[str]) -> None:
    known = sqlalchemy.inspect(model).all_orm_descriptors
    for name in names:
        # Besides what is mapped, a property with a setter: user.update(password="...").
        if name not in known and not hasattr(getattr(model, name, None), "__set__"):
            raise UnknownFieldError(model.__name__, name, list(known.keys()))
