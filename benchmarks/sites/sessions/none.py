"""Bottle without sessions: what an untouched session is measured by."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import bottle

app = bottle.Bottle()


@app.get("/login")
@app.get("/untouched")
def untouched() -> bytes:
    return b"Hello, World!"
