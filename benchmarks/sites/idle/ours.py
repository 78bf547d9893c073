"""A plain Bottle app on Demijohn's database, for a server that hangs up on connections at rest."""

# mypy: disallow-untyped-decorators=False, disable-error-code="name-defined"
from __future__ import annotations

import math
import os
from typing import Any

import bottle
import sqlalchemy
from sqlalchemy.orm import Mapped, mapped_column

from demijohn.database import Database, engine
from demijohn.sessions import Sessions
from demijohn.sessions.stores.sql import SqlStore


def make(**options: Any) -> bottle.Bottle:
    app = bottle.Bottle()
    site: Database = app.install(Database(os.environ["DATABASE_URL"], pool_size=20, max_overflow=0, **options))
    sessions = Sessions({"secret": os.environ["SECRET_KEY"]}, store=SqlStore(site.alone, site.metadata))
    app.install(sessions)

    class World(site.Model):
        __tablename__ = "world"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int]

    site.create_all()  # the sessions' table; the other is there

    @app.get("/")
    def root() -> str:
        return "ready"

    @app.get("/slow")
    def slow(db: Any) -> str:
        return str(db.scalar(sqlalchemy.text("SELECT SLEEP(1)")))

    @app.get("/read/<key:int>")
    def read(key: int, db: Any) -> dict[str, Any]:
        return {"number": db.get(World, key).number}

    @app.post("/write/<key:int>")
    def write(key: int, db: Any) -> dict[str, Any]:
        world = db.get(World, key)
        world.number += 1
        return {"number": world.number}

    @app.get("/session")
    def look(session: Any) -> dict[str, Any]:
        return {"count": session.get("count", 0)}

    @app.post("/session")
    def count(session: Any) -> dict[str, Any]:
        session["count"] = session.get("count", 0) + 1
        return {"count": session["count"]}

    return app


def make_unprotected() -> bottle.Bottle:
    engine.LOOK_AFTER = math.inf
    return make(idle=None)


app = make_unprotected() if os.environ["PROTECTION"] == "none" else make(idle=1.5)
