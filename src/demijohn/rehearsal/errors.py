"""What can go wrong with a rehearsal itself, as against the site."""

from __future__ import annotations

from demijohn.errors import DemijohnError


class RehearsalError(DemijohnError):
    """The rehearsal cannot be held on this machine, or the host cannot be played on it."""
