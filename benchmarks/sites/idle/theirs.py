"""The same by hand, with what SQLAlchemy has against connections that the server hung up on."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import os
from typing import Any

import bottle
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

PROTECTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "pool_pre_ping": {"pool_pre_ping": True},
    "pool_pre_ping and LIFO": {"pool_pre_ping": True, "pool_use_lifo": True},
    "pool_recycle": {"pool_recycle": 1},  # whole seconds, and less than the server's two
}
options = PROTECTIONS[os.environ["PROTECTION"]]

app = bottle.Bottle()
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"], pool_size=20, max_overflow=0, **options)
db = scoped_session(sessionmaker(engine))
app.add_hook("after_request", db.remove)


class Base(DeclarativeBase):
    pass


class World(Base):
    __tablename__ = "world"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


@app.get("/")
def root() -> str:
    return "ready"


@app.get("/slow")
def slow() -> str:
    return str(db.scalar(sqlalchemy.text("SELECT SLEEP(1)")))


@app.get("/read/<key:int>")
def read(key: int) -> dict[str, Any]:
    world = db.get(World, key)
    assert world
    return {"number": world.number}


@app.post("/write/<key:int>")
def write(key: int) -> dict[str, Any]:
    world = db.get(World, key)
    assert world
    world.number = number = world.number + 1
    db.commit()
    return {"number": number}
