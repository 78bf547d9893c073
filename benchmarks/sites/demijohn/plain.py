"""The same settings and parts, and no model: for the cold start."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from pathlib import Path

from demijohn import Site, response

site = Site(Path(__file__).parent)


@site.get("/plaintext")
def plaintext() -> bytes:
    response.content_type = "text/plain"
    return b"Hello, World!"
