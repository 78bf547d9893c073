"""Bottle and the glue that one writes by hand: a scoped session, a memcached client a thread, sessions as JSON."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import json
import os
import secrets
import threading
from pathlib import Path
from typing import Any

import bottle
import jinja2
import pylibmc
from bottle import request, response
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

SHARED = Path(__file__).resolve().parent.parent / "demijohn"
MEMCACHED = os.environ["MEMCACHED_URL"].rpartition("/")[2]
NAV = ["home", "news", "account", "help"]
ITEMS = [f'line {n} of "the list" & <more>' for n in range(20)]

app = bottle.Bottle()
views = jinja2.Environment(loader=jinja2.FileSystemLoader(SHARED / "views"), autoescape=True)
db = scoped_session(sessionmaker(create_engine(os.environ["DATABASE_URL"])))
app.add_hook("after_request", db.remove)


class Base(DeclarativeBase):
    pass


class World(Base):
    __tablename__ = "world"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]


class Client(threading.local):
    """libmemcached's clients may not be shared between threads."""

    def __init__(self) -> None:
        self.memcached = pylibmc.Client([MEMCACHED], behaviors={"tcp_nodelay": True})


local = Client()


def load(key: str | None) -> dict[str, Any]:
    kept = local.memcached.get(f"session:{key}") if key else None
    return json.loads(kept) if kept else {}


def save(key: str, session: dict[str, Any]) -> None:
    local.memcached.set(f"session:{key}", json.dumps(session), 3600)


def show(account: Account | None, user: int) -> str:
    return views.get_template("page.html").render(account=account, user=user, nav=NAV, items=ITEMS)


@app.get("/plaintext")
def plaintext() -> bytes:
    response.content_type = "text/plain"
    return b"Hello, World!"


@app.get("/login")
def login() -> dict[str, Any]:
    key = secrets.token_urlsafe(24)
    save(key, {"user": 42, "count": 0, "name": "Jane Doe", "roles": ["user", "editor"]})
    response.set_cookie("session", key, path="/", httponly=True, samesite="lax")
    return {"ok": True}


@app.get("/session-read")
def session_read() -> dict[str, Any]:
    return {"user": load(request.get_cookie("session")).get("user")}


@app.get("/session-write")
def session_write() -> dict[str, Any]:
    key = request.get_cookie("session")
    session = load(key)
    session["count"] = session.get("count", 0) + 1
    save(key, session)
    return {"count": session["count"]}


@app.get("/db/<key:int>")
def one(key: int) -> dict[str, Any]:
    world = db.get(World, key)
    return {"id": world.id, "number": world.number} if world else {}


@app.get("/account/<key:int>")
def account(key: int) -> str:
    return show(db.get(Account, key), key)


@app.get("/page")
def page() -> str:
    user = load(request.get_cookie("session"))["user"]
    return show(db.get(Account, user), user)


@app.get("/static/<path:path>")
def static(path: str) -> Any:
    return bottle.static_file(path, root=SHARED / "static")
