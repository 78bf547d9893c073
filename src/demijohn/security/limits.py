"""`Limits`: how often one visitor may come to a route.

@site.post("/search", limit="10/minute")
@site.get("/export", limit="2 per minute; 20/day", limit_by=lambda: request.environ["beaker.session"].user)

In a plain Bottle app: `app.install(Limits(MemcachedShared(...)))`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import bottle

if TYPE_CHECKING:
    from demijohn.shared import Shared

# Not compiled at boot: most sites have none.
_RULE = r"(?i)\s*([1-9][0-9]{0,8})\s*(?:/|per)\s*([1-9][0-9]{0,4})?\s*(second|minute|hour|day)s?\s*"
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class Limit(NamedTuple):
    """So many requests in so many seconds. The windows are the clock's: each full minute, each full hour."""

    most: int
    seconds: int


class Limits:
    """A Bottle plugin that answers 429, with `Retry-After`, to who comes to a route more often than its option `limit`
    allows. A route without the option costs nothing.

    :param shared: what the site's copies share, or what opens it at the first use. While it is not answering, each
        process counts for itself.
    :param on: False: nothing is counted or refused.
    :param local: whether 127.0.0.1 is a visitor and not, as is likelier, a proxy that is not trusted.

    A visitor is an address, or what the route's option `limit_by` returns, called without arguments in the request;
    where that is None or the address is not known, nothing is counted.
    """

    name = "limits"
    api = 2

    def __init__(self, shared: Shared | Callable[[], Shared], *, on: bool = True, local: bool = False) -> None:
        self._shared = shared
        self._on, self._local = on, local

    def setup(self, app: Any) -> None:
        """Nothing to prepare."""

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        if "limit" not in route.config:
            return callback
        limits = read(route.config["limit"])
        if not limits:
            from demijohn.security.errors import LimitOptionError

            raise LimitOptionError(route.rule, route.config["limit"])
        if not self._on:
            return callback
        from demijohn.security.counts import Counts, address

        counts, local = Counts(self._shared), self._local
        by = route.config.get("limit_by") or (lambda: address(bottle.request.environ, local))
        place = f"limit {route.method} {route.rule}"

        def with_limits(*args: Any, **kwargs: Any) -> Any:
            visitor = by()
            if visitor is not None:
                _count(counts, f"{place} {visitor}", limits)
            return callback(*args, **kwargs)

        return with_limits

    def close(self) -> None:
        """Nothing to close."""


def read(text: object) -> list[Limit]:
    """The limits that `10/minute; 100 per day` names; none where it cannot be read."""
    found = [re.fullmatch(_RULE, part) for part in re.split("[;,]", text)] if isinstance(text, str) else []
    limits = [Limit(int(m[1]), int(m[2] or 1) * _SECONDS[m[3].lower()]) for m in found if m is not None]
    return limits if len(limits) == len(found) else []


def _count(counts: Any, key: str, limits: list[Limit]) -> None:
    """Count this request under every limit, and refuse it under the one that makes it wait longest."""
    waits = [
        left
        for count, left, most in (
            (*counts.in_window(f"{key} {limit.most}/{limit.seconds}", limit.seconds), limit.most) for limit in limits
        )
        if count > most
    ]
    if waits:
        from demijohn.security.throttle import too_many

        raise too_many(max(waits), "You have come here too often.")
