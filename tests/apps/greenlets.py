"""An app for many visitors at once in greenlets: each writes, waits in the database, and reads what it has written."""

from __future__ import annotations

import os
from typing import Any

import bottle
import gevent
from sqlalchemy import String, select, text
from sqlalchemy.orm import Mapped, mapped_column

from demijohn.database import Database

POOL = 20

app = bottle.Bottle()
db_of_app = app.install(
    Database(os.environ["DATABASE_URL"], pool_size=POOL, max_overflow=0, pool_timeout=60, idle=None)
)
Model: Any = db_of_app.Model


#: How many connections were in use.
at_once = [0]


class Note(Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50))


_SLEEP = "SELECT pg_sleep({})" if os.environ["DATABASE_URL"].startswith("postgresql") else "SELECT SLEEP({})"


def _wait(seconds: float) -> None:
    """A helper that is handed nothing: the session is that of its request."""
    db_of_app.session.scalar(text(_SLEEP.format(seconds)))


@app.get("/")
def index() -> str:
    return "ready"


@app.get("/status")
def status() -> dict[str, Any]:
    pool: Any = db_of_app.engine.pool
    return {"out": pool.checkedout(), "open": pool.checkedin() + pool.checkedout(), "at once": max(at_once)}


@app.post("/own/<value>")
def own(db: Any, value: str) -> dict[str, Any]:
    note = Note(text=value)
    db.add(note)
    db.flush()
    pool: Any = db_of_app.engine.pool
    at_once.append(pool.checkedout())
    _wait(0.1)
    assert db_of_app.session is db
    assert bottle.request.path.endswith(value)
    found = db_of_app.session.scalars(select(Note.text).where(Note.id == note.id)).one()
    return {"found": found, "new": [one.text for one in db.identity_map.values()]}


@app.post("/streamed/<value>")
def streamed(db: Any, value: str) -> Any:
    for _ in range(3):
        db.add(Note(text=value))
        db.flush()
        _wait(0.02)
        assert db_of_app.session is db
        yield f"{value} "


@app.get("/read")
def read(db: Any) -> str:
    return str(db.scalar(text("SELECT 42")))


@app.get("/rest")
def rest() -> str:
    """Have every connection look as if it had rested for long, so that the next use looks at it."""
    pool: Any = db_of_app.engine.pool
    records = list(pool._pool.queue)
    for record in records:
        record.info["rests since"] = record.info.get("rests since", 0) - 10
    return str(len(records))


@app.post("/cut/<value>")
def cut(db: Any, value: str) -> str:
    """A time limit strikes in the midst of a statement."""
    db.add(Note(text=value))
    db.flush()
    with gevent.Timeout(0.05):
        _wait(5)
    return "never"
