"""A shop on a database whose connections can be broken off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tests.client import Answer, Client
from tests.gate import Gate
from tests.services import Database
from tests.shop import Shop


class Place:
    """A shop with two notes, the first of which has two lines, on a database behind a gate."""

    def __init__(self, server: Database, gate: Gate, url: str, kills: bool) -> None:
        self.server = server
        self.gate = gate
        #: The end of all connections, as this run has it.
        self.break_off: Callable[[], object] = server.hang_up if kills else gate.cut
        self.shop = shop = Shop(gate.url(url))
        self.app, self.db, self.Note = shop.app, shop.db, shop.Note
        self.client = Client(shop.app)
        self._handler: Callable[[Any], Any] = lambda db: None
        self.app.route("/asked", method=["GET", "POST"], callback=lambda db: self._handler(db))
        Model: Any = shop.db.Model
        Note: Any = shop.Note

        class Line(Model):
            __tablename__ = "lines"
            id: Mapped[int] = mapped_column(primary_key=True)
            note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"))
            note = relationship(Note, backref="lines")

        self.Line = Line
        self.db.create_all()
        with self.db.unit() as db:
            db.add_all([Note(text="first"), Note(text="second")])
            db.flush()
            db.add_all([*(Line(note_id=1) for _ in range(2))])
        # Whoever looks afterwards does so by the front door, and disturbs nobody.
        self._witness = Shop(url)

    def texts(self) -> set[str]:
        """What is kept, asked on a connection of its own."""
        return self._witness.texts()

    def aside(self) -> Any:
        """A SQLAlchemy connection by the front door."""
        return self._witness.db.engine.connect()

    def adds(self, *texts: str) -> list[Any]:
        return [self.Note(text=text) for text in texts]

    def get(self, handler: Callable[[Any], Any]) -> Answer:
        """What a visitor is answered by this handler."""
        return self.ask("GET", handler)

    def post(self, handler: Callable[[Any], Any]) -> Answer:
        return self.ask("POST", handler)

    def ask(self, method: str, handler: Callable[[Any], Any]) -> Answer:
        self.route(handler)
        return self.client.ask(method, "/asked")

    def route(self, handler: Callable[[Any], Any]) -> None:
        """Have this handler answer `/asked`."""
        self._handler = handler

    def close(self) -> None:
        self.db.close()
        self._witness.db.close()
