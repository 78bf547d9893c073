"""The database: SQLAlchemy 2 with one session a request."""

from __future__ import annotations

from demijohn.database.plugin import Database as Database
