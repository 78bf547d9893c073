"""The door of the site, as the repository's index.wsgi has it."""

from __future__ import annotations

import gc

_usual = gc.get_threshold()
gc.set_threshold(10_000, 20, 100)
from app import site as app  # noqa: E402

gc.set_threshold(*_usual)
gc.freeze()

__all__ = ["app"]
