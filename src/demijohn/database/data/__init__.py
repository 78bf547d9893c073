"""Rows on their way in and out: seed files (`populate`), made-up rows (`dummy`), and dumps that one kind of database
writes and another reads (`dump`, `load`).

What goes in goes in whole or not at all: one transaction, and each complaint names its row."""

from __future__ import annotations

__all__: list[str] = []
