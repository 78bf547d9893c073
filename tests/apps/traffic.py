"""A site whose requests end in every way that a request can end. `DATABASE_URL` says where its notes are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
from bottle import request
from sqlalchemy import String, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import Site

app = Site(
    Path(__file__).parent,
    {
        "database.pool_size": int(os.environ.get("TRAFFIC_POOL", "5")),
        "database.max_overflow": 0,
        "database.pool_timeout": 30,
        "environment": os.environ.get("TRAFFIC_ENVIRONMENT", "development"),
        "secret": "a-secret-of-the-tests-that-is-long-enough",
    },
)
Model: Any = app.db.Model
#: Bytes of one piece of a stream: enough of them fill any buffer between here and the visitor.
PIECE = 16_384
PIECES = 40


class Note(Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50), index=True)


@app.get("/")
def index() -> str:
    return "ready"


@app.get("/status")
def status() -> dict[str, Any]:
    """Asked with no session, so that it takes no connection itself."""
    pool: Any = app.db.engine.pool
    return {"out": pool.checkedout(), "pid": os.getpid(), "threads": threading.active_count()}


def _add(db: Any, what: str) -> None:
    db.add(Note(text=what))
    db.flush()


@app.get("/read")
def read(db: Any) -> str:
    return str(db.scalar(select(func.count()).select_from(Note).where(Note.text == "nothing")))


@app.post("/write")
def write(db: Any) -> str:
    _add(db, "kept")
    return "ok"


@app.post("/redirect")
def redirect(db: Any) -> None:
    _add(db, "kept")
    bottle.redirect("/")


@app.post("/abort")
def abort(db: Any) -> None:
    _add(db, "dropped")
    bottle.abort(409, "no")


@app.post("/returned")
def returned(db: Any) -> Any:
    _add(db, "dropped")
    return bottle.HTTPResponse("no", 422)


@app.post("/boom")
def boom(db: Any) -> None:
    _add(db, "dropped")
    raise ValueError("a slip")


@app.post("/template", template="{{ nothing.of_the_kind }}")
def template(db: Any) -> dict[str, Any]:
    _add(db, "dropped")
    return {}


@app.get("/visits")
def visits(db: Any, session: Any) -> str:
    db.scalar(select(Note.id).limit(1))
    session["visits"] = session.get("visits", 0) + 1
    return "ok"


@app.post("/upload")
def upload(db: Any) -> str:
    _add(db, "uploaded")
    return str(len(request.body.read()))


@app.get("/stream")
def stream(db: Any) -> Iterator[bytes]:
    _add(db, "before")
    for _ in range(PIECES):
        db.scalar(select(Note.id).limit(1))
        yield b"x" * PIECE
    _add(db, "after")


@app.get("/late")
def late() -> Iterator[bytes]:
    """Asks for its session when the head and the first piece have gone out."""
    yield b"x"
    _add(app.db.session, "late")
    for _ in range(PIECES):
        yield b"x" * PIECE


@app.get("/broken-stream")
def broken_stream(db: Any) -> Iterator[bytes]:
    yield b"x"
    _add(db, "dropped")
    raise ValueError("a slip in a stream")


@app.get("/hold")
def hold(db: Any) -> str:
    """Keep a connection for a tenth of a second."""
    match app.db.engine.dialect.name:
        case "sqlite":
            db.scalar(text("SELECT 1"))
            time.sleep(0.1)
        case "postgresql":
            db.scalar(text("SELECT pg_sleep(0.1)"))
        case _:
            db.scalar(text("SELECT SLEEP(0.1)"))
    return "ok"


@app.post("/sleep")
def sleep(db: Any) -> str:
    """Wait in the middle of a transaction, for longer than any server allows."""
    _add(db, "dropped")
    time.sleep(60)
    return "ok"


@app.post("/die")
def die(db: Any) -> str:
    _add(db, "dropped")
    raise SystemExit(3)


@app.post("/memory")
def memory(db: Any) -> str:
    _add(db, "dropped")
    raise MemoryError
