"""Loads the site that a command is about."""

from __future__ import annotations

from demijohn.doors import find_site as find_site
from demijohn.doors import load_application as load_application
from demijohn.doors import load_site as load_site
