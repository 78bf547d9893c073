"""The same on Demijohn's sessions in a plain Bottle app, one app for each store."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import os
from typing import Any

import bottle

from demijohn.sessions import Sessions, create_table

MEMCACHED = os.environ["MEMCACHED_URL"].rpartition("/")[2]
DATABASE = os.environ["DATABASE_URL"]


create_table(DATABASE)


def make(**options: Any) -> bottle.Bottle:
    app = bottle.Bottle()
    app.install(Sessions({"secret": os.environ["SECRET_KEY"], **options}))

    @app.get("/untouched")
    def untouched() -> bytes:
        return b"Hello, World!"

    @app.get("/login")
    def login(session: Any) -> dict[str, Any]:
        session.login(42)
        session.update(count=0, name="Jane Doe", roles=["user", "editor"])
        return {"ok": True}

    @app.get("/read")
    def read(session: Any) -> dict[str, Any]:
        return {"user": session.user}

    @app.get("/write")
    def write(session: Any) -> dict[str, Any]:
        session["count"] = session.get("count", 0) + 1
        return {"count": session["count"]}

    return app


on_memcached = make(type="memcached", url=MEMCACHED)
on_cached_sql = make(type="cached-sql", url=DATABASE, memcached_url=MEMCACHED)
on_sql = make(type="sql", url=DATABASE)
