"""Whether the site can be asked: `/_health/live` for whoever restarts processes, `/_health/ready` for whoever sends
them visitors.

`live` answers 200 as long as the process answers at all, and touches nothing: a restart mends no database. `ready` asks
what the site needs, and answers 503 with a word on each where it had better not be visited.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import bottle

LIVE, READY = "/_health/live", "/_health/ready"


class Health:
    """The two addresses, as a Bottle plugin.

    :param checks: what is asked, by name, each time that `ready` is asked for. Each says whether visitors can be
        served, and a word or two, which anybody may read: `(True, "answers")`.
    """

    name = "health"
    api = 2

    def __init__(self, checks: Mapping[str, Callable[[], tuple[bool, str]]]) -> None:
        self.checks = checks

    def setup(self, app: Any) -> None:
        # Without the other plugins: a probe has no session, and what is wrong with the parts is found below.
        app.route(LIVE, callback=self._live, skip=True)
        app.route(READY, callback=self._ready, skip=True)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        return callback

    def _live(self) -> str:
        return _answer({"live": True}, 200)

    def _ready(self) -> str:
        findings = {name: check() for name, check in self.checks.items()}
        ready = all(well for well, _ in findings.values())
        words = {name: word for name, (_, word) in findings.items()}
        return _answer({"ready": ready, **words}, 200 if ready else 503)


def _answer(content: dict[str, Any], status: int) -> str:
    bottle.response.status = status
    bottle.response.content_type = "application/json"
    bottle.response.set_header("Cache-Control", "no-store")
    return json.dumps(content)
