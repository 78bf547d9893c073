"""The door of the site, as the repository's index.wsgi has it."""

from __future__ import annotations

import gc

gc.disable()
from app import site as app  # noqa: E402

gc.enable()
gc.freeze()

__all__ = ["app"]
