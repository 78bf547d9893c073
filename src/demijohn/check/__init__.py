"""What will break on a host, found before the push."""

from __future__ import annotations
