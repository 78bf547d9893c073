"""A site that keeps a ledger: each entry has two lines, which are written together or not at all."""

from __future__ import annotations

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
