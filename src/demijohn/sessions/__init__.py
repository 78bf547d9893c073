"""Sessions: Beaker's API on stores that lose nothing."""

from __future__ import annotations

from demijohn.sessions.plugin import SessionMiddleware as SessionMiddleware
from demijohn.sessions.plugin import Sessions as Sessions
from demijohn.sessions.request import RequestSession as RequestSession
from demijohn.sessions.stores import NAMES as NAMES
from demijohn.sessions.stores import SPELLINGS as SPELLINGS
from demijohn.sessions.stores import create_table as create_table
