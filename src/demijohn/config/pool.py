"""How many connections a process may open, from what the database allows the whole site."""

from __future__ import annotations

from collections.abc import Iterator

from demijohn.config.draft import Draft
from demijohn.config.settings import CHOSEN

_NAMES = ("database.pool_size", "database.max_overflow")
AUTO = "auto"


def choose(draft: Draft) -> None:
    """A connection for each thread, and as many again for handlers that hold a `unit()` beside their session; within
    the process's share of what the database allows."""
    size_name, over_name = _NAMES
    threads, share = draft.values["server.threads"], _share(draft)
    over = draft.values[over_name]
    if draft.values[size_name] == AUTO:
        size, why = threads, "server.threads"
        most = None if share is None else max(1, share - (0 if over == AUTO else over))
        if most is not None and most < size:
            size, why = most, "the process's share of database.max_connections"
        draft.put(size_name, size, f"{CHOSEN}: {why}")
    if over == AUTO:
        size = draft.values[size_name]
        over, why = size, "as many again as database.pool_size"
        if share is not None and share - size < over:
            over, why = max(0, share - size), "what database.max_connections leaves"
        draft.put(over_name, over, f"{CHOSEN}: {why}")


def _share(draft: Draft) -> int | None:
    """The connections that each process may open. None: nothing is said of a limit."""
    plan = draft.values["database.max_connections"]
    if plan is None or not _is_server(draft):
        return None
    return int(plan // draft.values["server.workers"])


def _is_server(draft: Draft) -> bool:
    return bool(draft.values["database.url"]) and not draft.values["database.url"].startswith("sqlite")


def too_many(draft: Draft) -> Iterator[str]:
    """Processes or pools that would open more connections than the database allows."""
    share = _share(draft)
    # What a host says is of its smallest plan; who sets a pool larger than that may have another.
    if share is None or draft.sources["database.max_connections"].startswith("host "):
        return
    plan, workers = draft.values["database.max_connections"], draft.values["server.workers"]
    size, over = (draft.values[name] for name in _NAMES)
    if share == 0:
        yield (
            f"server.workers is {workers}, and database.max_connections allows {plan}: not one connection for each; "
            f"set server.workers to {plan} or less, or database.max_connections to what the database allows"
        )
    elif size + over > share:
        fitting = min(size, share)
        yield (
            f"server.workers {workers} x (database.pool_size {size} + database.max_overflow {over}) = "
            f"{workers * (size + over)} connections, and database.max_connections allows {plan}; set "
            f"database.pool_size to {fitting} and database.max_overflow to {share - fitting}, or leave both out"
        )


#: As in rules.py.
CONTRADICTIONS = (
    (("database.max_connections", *_NAMES, "server.workers", "server.threads", "database.url"), too_many),
)
