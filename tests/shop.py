"""A plain Bottle app with a database, for the tests of the database."""

from __future__ import annotations

from typing import Any

import bottle
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from demijohn.database import Database
from tests.client import Client
from tests.services import PATIENCE


class Shop:
    """A plain Bottle app on one database."""

    def __init__(self, url: str, **options: Any) -> None:
        self.app = bottle.Bottle()
        self.db: Database = self.app.install(Database(url, **{"pool_timeout": PATIENCE, **options}))
        Model: Any = self.db.Model

        class Note(Model):
            __tablename__ = "notes"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(50), unique=True)
            count: Mapped[int] = mapped_column(default=0)

        self.Note = Note
        self.db.create_all()
        self.client = Client(self.app)

    def texts(self) -> set[str]:
        with self.db.unit() as db:
            return set(db.scalars(select(self.Note.text)))

    @property
    def checked_out(self) -> int:
        return self.db.engine.pool.checkedout()  # type: ignore[attr-defined,no-any-return]

    def read_and_write(self) -> None:
        """Add a first note, and handlers that read and write."""

        @self.app.get("/read")
        def read(db: Any) -> str:
            return str(db.scalars(select(self.Note).order_by(self.Note.id).limit(1)).one().text)

        @self.app.post("/write")
        def write(db: Any) -> str:
            db.add(self.Note(text="written"))
            return "ok"

        @self.app.get("/write-safely")
        def write_safely(db: Any) -> str:
            db.add(self.Note(text="written safely"))
            return "ok"

        with self.db.unit() as db:
            db.add(self.Note(text="first"))
        self.client.get("/read")
