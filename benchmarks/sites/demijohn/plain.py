"""The same settings, parts and door, and no model: for the cold start."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import gc

_usual = gc.get_threshold()
gc.set_threshold(10_000, 20, 100)  # as main.py has it, and the repository's index.wsgi
from pathlib import Path  # noqa: E402

from demijohn import Site, response  # noqa: E402

site = Site(Path(__file__).parent)


@site.get("/plaintext")
def plaintext() -> bytes:
    response.content_type = "text/plain"
    return b"Hello, World!"


gc.set_threshold(*_usual)
gc.freeze()
