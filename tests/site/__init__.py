"""The site's own tests. They need pytest, and a site that can be started by `demijohn run`."""

from __future__ import annotations
