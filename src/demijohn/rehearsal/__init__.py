"""The site as a host would start it, and what it does there that the host does not allow."""

from __future__ import annotations
