"""What stands before a handler: plaintext with everything on beside bare Bottle, which has nothing of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.contestants import FLOOR, WITHOUT_MODELS, Worker, Workload
from benchmarks.services import Services

#: As a visitor comes in from the street, and as Heroku's router sends them on.
CASES = {
    "directly": ({}, Workload("/plaintext")),
    "behind a router": (
        {"DEMIJOHN_HOST": "heroku", "DYNO": "web.1", "DEMIJOHN_DATABASE_TLS": "auto"},
        Workload(
            "/plaintext",
            environ=(
                ("HTTP_HOST", "guestbook.example"),
                ("HTTP_X_FORWARDED_FOR", "203.0.113.7"),
                ("HTTP_X_FORWARDED_PROTO", "https"),
                ("HTTP_X_FORWARDED_PORT", "443"),
                ("HTTP_X_REQUEST_ID", "8f0c9c1e-5b1e-4c8f-9d53-5d9ff7a3f0d1"),
                ("REMOTE_ADDR", "10.1.2.3"),
            ),
        ),
    ),
}
#: The log line of each request is off, as where the host logs requests itself.
_QUIET = {"DEMIJOHN_LOG_REQUESTS": "off"}


def measure(services: Services, rounds: int, seconds: float) -> dict[str, Any]:
    """{case: {contestant: {"cpu" and "wall": [microseconds a request, one a round]}}}"""
    found: dict[str, Any] = {}
    for case, (variables, workload) in CASES.items():
        with ExitStack() as stack:
            workers = [
                stack.enter_context(Worker(each, services, signed_in=False, variables={**_QUIET, **variables}))
                for each in (FLOOR, WITHOUT_MODELS)
            ]
            found[case] = {worker.contestant.name: {"cpu": [], "wall": []} for worker in workers}
            for turn in range(rounds + 1):
                for worker in workers:
                    took = worker.measure(workload, seconds if turn else 10 * seconds)
                    if turn:  # the first is to warm up
                        for clock in took:
                            found[case][worker.contestant.name][clock].append(took[clock])
    return found
