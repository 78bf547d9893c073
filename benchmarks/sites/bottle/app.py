"""Bottle with nothing else imported: the floor of a cold start."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import bottle

app = bottle.Bottle()


@app.get("/plaintext")
def plaintext() -> bytes:
    bottle.response.content_type = "text/plain"
    return b"Hello, World!"
