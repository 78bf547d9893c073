"""Sessions as one writes them by hand: JSON in memcached by pylibmc, a client a thread."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import json
import os
import secrets
import threading
from typing import Any

import bottle
import pylibmc
from bottle import request, response

MEMCACHED = os.environ["MEMCACHED_URL"].rpartition("/")[2]
app = bottle.Bottle()


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


@app.get("/untouched")
def untouched() -> bytes:
    return b"Hello, World!"


@app.get("/login")
def login() -> dict[str, Any]:
    old, key = request.get_cookie("session"), secrets.token_urlsafe(24)
    save(key, {**load(old), "user": 42, "count": 0, "name": "Jane Doe", "roles": ["user", "editor"]})
    if old:
        local.memcached.delete(f"session:{old}")
    response.set_cookie("session", key, path="/", httponly=True, samesite="lax")
    return {"ok": True}


@app.get("/read")
def read() -> dict[str, Any]:
    return {"user": load(request.get_cookie("session")).get("user")}


@app.get("/write")
def write() -> dict[str, Any]:
    key = request.get_cookie("session")
    session = load(key)
    session["count"] = session.get("count", 0) + 1
    save(key, session)
    return {"count": session["count"]}
