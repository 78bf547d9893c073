"""A site that keeps a ledger: each entry has two lines, which are written together or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import Site

app = Site(Path(__file__).parent)
Model: Any = app.db.Model


class Line(Model):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    # Not unique: an entry that is made twice is to show.
    number: Mapped[int] = mapped_column(index=True)
    amount: Mapped[int]


@app.get("/")
def index() -> str:
    """Needs no database."""
    return "ready"


@app.post("/entries/<number:int>")
def enter(db: Any, number: int) -> str:
    db.add(Line(number=number, amount=number))
    db.flush()
    db.add(Line(number=number, amount=-number))
    return "entered"


@app.get("/entries/<number:int>")
def entry(db: Any, number: int) -> str:
    """How many lines the entry has."""
    return str(db.scalar(select(func.count()).select_from(Line).where(Line.number == number)))


@app.get("/export")
def export(db: Any) -> Iterator[str]:
    """A line of text for each of the ledger's."""
    lines = select(Line.number, Line.amount).order_by(Line.id).execution_options(yield_per=100)
    for number, amount in db.execute(lines):
        yield f"{number} {amount}\n"
