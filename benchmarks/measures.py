"""The check and the measures. The contestants take turns, A B C A B C: what else the machine does meets them alike."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.contestants import (
    DEMIJOHN,
    FLOOR,
    HERE,
    WITHOUT_MODELS,
    WORKLOADS,
    Contestant,
    Worker,
    Workload,
    environment,
)
from benchmarks.services import Services

ACCOUNT = Workload("/account/42")  # the page without the session
REPEATS = 10  # requests over which round trips are counted
PAGES = 1000  # requests before memory is looked at
_KINDS = {"plaintext": "text/plain", "plaintext, cookie": "text/plain", "page": "text/html", "static": "text/css"}


def check(contestants: Sequence[Contestant], services: Services) -> list[str]:
    """The faults found: all must give the same answers, and the right ones."""
    faults: list[str] = []
    pages: dict[str, str] = {}
    for contestant in contestants:
        with Worker(contestant, services) as worker:
            for name, workload in {**WORKLOADS, "account": ACCOUNT}.items():
                answer = worker.call(workload)
                headers = {key.lower(): value for key, value in answer["headers"]}
                kind = _KINDS.get(name, "text/html" if name == "account" else "application/json")
                if not (
                    answer["status"].startswith("200")
                    and headers.get("content-type", "").startswith(kind)
                    and _is_right(name, answer["body"])
                ):
                    faults.append(f"{contestant.name}: {name}: {answer['status']} {headers} {answer['body'][:300]!r}")
                if name in ("page", "account") and answer["body"] != pages.setdefault("page", answer["body"]):
                    faults.append(f"{contestant.name}: {name} is another page than {contestants[0].name}'s")
            first, second = (json.loads(worker.call(WORKLOADS["session-write"])["body"])["count"] for _ in range(2))
            if second != first + 1:
                faults.append(f"{contestant.name}: session-write does not count: {first}, {second}")
    return faults


def _is_right(name: str, body: str) -> bool:
    match name:
        case "session-read":
            return bool(json.loads(body) == {"user": 42})
        case "session-write":
            return bool(json.loads(body)["count"] > 0)
        case "db":
            return bool(json.loads(body) == {"id": 1234, "number": 1234 * 7919 % 10000})
        case "static":
            return body == (HERE / "sites/demijohn/static/bench.css").read_text()
        case "page" | "account":
            wanted = ("<h1>User 42 &lt;&amp;&gt;</h1>", "Signed in as 42", "20: line 19 of &#34;the list&#34; &amp;")
            return all(text in body for text in wanted) and body.count("<li ") == 20
    return body == "Hello, World!"


def cpu(contestants: Sequence[Contestant], services: Services, rounds: int, seconds: float) -> dict[str, Any]:
    """{contestant: {workload: {"cpu" and "wall": [microseconds a request, one a round]}}}"""
    found: dict[str, Any] = {c.name: {w: {"cpu": [], "wall": []} for w in WORKLOADS} for c in contestants}
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(each, services)) for each in contestants]
        for turn in range(rounds + 1):
            for name, workload in WORKLOADS.items():
                for worker in workers:
                    took = worker.measure(workload, seconds if turn else 10 * seconds)
                    if turn:  # the first is to warm up
                        for clock in took:
                            found[worker.contestant.name][name][clock].append(took[clock])
    return found


def trips(contestants: Sequence[Contestant], services: Services) -> dict[str, Any]:
    """{contestant: {workload: {"sql" and "memcached": round trips a request, "said": {what: times a request}}}}"""
    found: dict[str, Any] = {}
    for contestant in contestants:
        with Worker(contestant, services, listening=True) as worker:
            found[contestant.name] = {}
            for name, workload in WORKLOADS.items():
                worker.call(workload, 3)  # connects, and fills caches
                sql, memcached = services.listen(partial(worker.call, workload, REPEATS))
                found[contestant.name][name] = {
                    "sql": len(sql) / REPEATS,
                    "memcached": len(memcached) / REPEATS,
                    "said": {what: times / REPEATS for what, times in Counter(sql + memcached).items()},
                }
    return found


def cold(contestants: Sequence[Contestant], services: Services, rounds: int) -> dict[str, Any]:
    """{case: {"cpu" and "wall": [milliseconds from the start of the process to its end after one answer]}}"""
    bare = [WITHOUT_MODELS] if DEMIJOHN in contestants else []
    cases = {"python -c pass": [FLOOR.python, "-c", "pass"]}
    cases |= {f"{each.name}: plaintext": each.command("/plaintext") for each in (FLOOR, *bare, *contestants)}
    cases |= {f"{each.name}: account": each.command(ACCOUNT.path) for each in contestants}
    found: dict[str, Any] = {case: {"cpu": [], "wall": []} for case in cases}
    surroundings = environment(services)
    for turn in range(rounds + 1):
        for case, command in cases.items():
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=HERE, env=surroundings)
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"{case} failed.")
            if turn:  # the first writes the byte code
                found[case]["wall"].append(took * 1e3)
                found[case]["cpu"].append((usage.ru_utime + usage.ru_stime) * 1e3)
    return found


def memory(contestants: Sequence[Contestant], services: Services, rounds: int) -> dict[str, Any]:
    """{contestant: [megabytes resident after a thousand pages, one a process]}"""
    found: dict[str, list[float]] = {each.name: [] for each in contestants}
    for _ in range(rounds):
        for contestant in contestants:
            with Worker(contestant, services) as worker:
                worker.call(WORKLOADS["page"], PAGES)
                found[contestant.name].append(worker.resident())
    return found
