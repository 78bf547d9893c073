"""`demijohn check`: what will break on a host, before the push."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from demijohn.cli.root import HELP, find_root

if TYPE_CHECKING:
    from demijohn.check.report import Report
    from demijohn.hosts import Host

ALL = "all"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "host", nargs="?", metavar="HOST", help="a host, or all; else those whose files lie in the folder"
    )
    parser.add_argument("--root", help=HELP)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--strict", action="store_true", help="end with 1 for warnings, too")
    parser.add_argument("--no-rehearsal", dest="rehearsal", action="store_false", help="only read; start nothing")
    parser.add_argument("--ignore", metavar="CODE,...", default="", help="codes that are not to be reported")


def run(args: argparse.Namespace) -> int:
    """0: nothing is wrong, or only warnings. 1: there are errors. 2: a wrong call."""
    from demijohn.errors import UnknownHostError

    ignored = {code.strip().upper() for code in args.ignore.split(",") if code.strip()}
    problem = _unknown_code(ignored)
    root = find_root(args.root)
    try:
        hosts, named = _hosts(args.host, root)
    except UnknownHostError as error:
        problem = f"{error} Or: {ALL}."
    if problem:
        print(problem, file=sys.stderr)
        return 2
    report = _check(root, hosts, named, args.rehearsal, ignored)
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print("\n".join(report.lines()))
    return 1 if report.count("error") or (args.strict and report.rows) else 0


def _unknown_code(codes: set[str]) -> str:
    from demijohn.check.codes import titles

    unknown = sorted(codes - titles().keys())
    return f"There is no code {', '.join(unknown)}; docs/checks.md has them all." if unknown else ""


def _hosts(name: str | None, root: Path) -> tuple[list[Host], bool]:
    """The hosts to check for, and whether the site is meant for them.

    :raises UnknownHostError: there is none of this name.
    """
    from demijohn import hosts

    if name == ALL:
        return [hosts.find(known) for known in hosts.names()], False
    if name is not None:
        return [hosts.find(name)], True
    from demijohn.check.meant import meant

    found = meant(root)
    return (found, True) if found else ([hosts.find("local")], False)


def _check(root: Path, hosts: list[Host], named: bool, rehearsal: bool, ignored: set[str]) -> Report:
    from demijohn.check import check
    from demijohn.cli.progress import Progress

    before = signal.signal(signal.SIGTERM, _stop) if threading.current_thread() is threading.main_thread() else None
    try:
        with Progress(lambda: len(hosts) if rehearsal else 0, "hosts") as progress:
            return check(
                root, hosts, named=named, rehearsal=rehearsal, ignore=ignored, done=lambda host: progress.advance(1)
            )
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _stop(_signal: int, _frame: object) -> None:
    """As Ctrl+C: what was started is ended, and its folder removed. A CI that has waited too long sends this."""
    raise KeyboardInterrupt
