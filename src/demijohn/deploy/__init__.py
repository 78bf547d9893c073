"""What goes to a host: its files, the packages carried along, the bundle."""

from __future__ import annotations
