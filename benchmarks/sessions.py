"""Sessions alone, in plain Bottle apps, beside what one writes by hand."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.contestants import Contestant, Worker, Workload
from benchmarks.services import Services

NONE = Contestant("no sessions", "sessions", "none:app", sys.executable, ())
HAND = Contestant("by hand", "sessions", "hand:app", sys.executable, ())
OURS = tuple(
    Contestant(store, "sessions", f"ours:on_{store.replace('-', '_')}", sys.executable, ())
    for store in ("memcached", "cached-sql", "sql")
)
WORKLOADS = {
    "untouched": Workload("/untouched", cookie=True),
    "read": Workload("/read", cookie=True),
    "write": Workload("/write", cookie=True),
}
LOGIN = Workload("/login", cookie=True)
REPEATS = 10


def measure(services: Services, rounds: int, seconds: float) -> dict[str, Any]:
    """{"cpu" and "wall": {contestant: {workload: [microseconds a request, one a round]}},
    "trips": {contestant: {workload: {what was asked: times a request}}}}"""
    found: dict[str, Any] = {"cpu": {}, "wall": {}, "trips": {}}
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(each, services)) for each in (NONE, HAND, *OURS)]
        for turn in range(rounds + 1):
            for name, workload in WORKLOADS.items():
                for worker in workers:
                    who = worker.contestant
                    if who is NONE and name != "untouched":
                        continue
                    took = worker.measure(workload, seconds if turn else 10 * seconds)
                    if turn:  # the first is to warm up
                        for clock in took:
                            found[clock].setdefault(who.name, {}).setdefault(name, []).append(took[clock])
    for contestant in (HAND, *OURS):
        found["trips"][contestant.name] = _trips(contestant, services)
    return found


def _trips(contestant: Contestant, services: Services) -> dict[str, Any]:
    counts = {}
    with Worker(contestant, services, listening=True) as worker:
        for name, workload in WORKLOADS.items():
            worker.call(workload, 3)  # connects, and fills caches
            sql, said = services.listen(partial(worker.call, workload, REPEATS))
            counts[name] = {what: times / REPEATS for what, times in Counter(sql + said).items()}
        # Once, because the cookie is dead after it.
        sql, said = services.listen(partial(worker.call, LOGIN))
        counts["login"] = dict(Counter(sql + said))
    return counts
