"""What a host gives that cannot be had elsewhere, in its stead, and as little of it as the site can tell."""

from __future__ import annotations
