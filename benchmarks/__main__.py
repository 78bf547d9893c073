"""`python -m benchmarks`, from the repository's root, under the project's interpreter."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from typing import Any

from benchmarks import bundle, front, idle, measures, sessions, static
from benchmarks.contestants import CONTESTANTS, HERE, Worker, install_flask
from benchmarks.report import tables
from benchmarks.services import running

MEASURES = ("cpu", "front", "static", "sessions", "trips", "idle", "cold", "bundle", "memory")


def main() -> int:
    arguments = _parse()
    # The services are stopped on the way out, so a signal has to be a way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    if hasattr(os, "sched_setaffinity") and not arguments.unpinned:
        # On one core a round trip costs the same each time. On several it costs two to three times as much whenever
        # the other side's has to be woken first, and whether it has to be is chance.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    contestants = [each for each in CONTESTANTS if each.name in arguments.only]
    if "flask" in arguments.only:
        install_flask()
    with running() as services:
        faults = measures.check(contestants, services)
        if faults:
            print("The contestants do not do the same work:", *faults, sep="\n", file=sys.stderr)
            return 1
        results: dict[str, Any] = {
            "machine": {
                "python": platform.python_version(),
                "system": platform.platform(),
                "cores": os.cpu_count(),
                "pinned": not arguments.unpinned,
                "load": os.getloadavg(),
            },
            "services": services.versions(),
            "versions": {},
        }
        for each in contestants:
            with Worker(each, services) as worker:
                results["versions"][each.name] = worker.versions()
        for name in arguments.measures or MEASURES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            match name:
                case "cpu":
                    results[name] = measures.cpu(contestants, services, arguments.rounds, arguments.seconds)
                case "front":
                    results[name] = front.measure(services, arguments.rounds, arguments.seconds)
                case "static":
                    results[name] = static.measure(arguments.rounds)
                case "sessions":
                    results[name] = sessions.measure(services, arguments.rounds, arguments.seconds)
                case "trips":
                    results[name] = measures.trips(contestants, services)
                case "idle":
                    results[name] = idle.measure(arguments.rest)
                case "cold":
                    results[name] = measures.cold(contestants, services, arguments.starts)
                case "bundle":
                    results[name] = bundle.measure(services, arguments.starts)
                case "memory":
                    results[name] = measures.memory(contestants, services, 3)
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json").write_text(json.dumps(results, indent=1))
    print(tables(results))
    return 0


def _parse() -> argparse.Namespace:
    names = [each.name for each in CONTESTANTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Demijohn beside its peers.")
    parser.add_argument("measures", nargs="*", metavar="measure", help=f"{', '.join(MEASURES)}; all if none is named")
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help="contestants, by comma")
    parser.add_argument("--rounds", type=int, default=45, help="of the CPU measure (45)")
    parser.add_argument("--seconds", type=float, default=0.05, help="of one contestant's turn in a round (0.05)")
    parser.add_argument("--unpinned", action="store_true", help="use all cores; see README.md")
    parser.add_argument("--rest", type=float, default=15, help="seconds of clients who pause, in idle (15)")
    parser.add_argument("--starts", type=int, default=15, help="cold starts of each case (15)")
    arguments = parser.parse_args()
    for given, known in ((arguments.measures, MEASURES), (arguments.only, names)):
        unknown = sorted(set(given) - set(known))
        if unknown:
            parser.error(f"unknown: {', '.join(unknown)}. Known: {', '.join(known)}.")
    return arguments


sys.exit(main())
