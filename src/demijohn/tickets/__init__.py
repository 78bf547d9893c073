"""Unhandled errors: each has an id, which its visitor sees, and is kept where the disk is not."""

from __future__ import annotations

from demijohn.tickets.plugin import Tickets as Tickets
