"""`demijohn deploy HOST`: the files that a host wants of the site, and what is then left to type."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from demijohn.cli.root import HELP, find_root

if TYPE_CHECKING:
    from pathlib import Path

    from demijohn.deploy.deployment import Deployment
    from demijohn.deploy.write import File
    from demijohn.hosts import Host

#: What has become of a file, by the state that it was in.
_DONE = {"new": "written", "differs": "changed"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="?", metavar="HOST", help="where the site is to run; without it: a list")
    parser.add_argument("--root", help=HELP)
    parser.add_argument("--python", metavar="3.13", help="the Python to run on; else .python-version's, or this one")
    parser.add_argument("--user", metavar="NAME", help="your name at a host that names its addresses after it")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    how.add_argument("--check", action="store_true", help="write nothing; the exit status is 1 if something would be")
    how.add_argument("--overwrite", "--yes", action="store_true", help="also write over files that differ")
    pins = parser.add_argument_group("requirements.txt")
    pins.add_argument("--upgrade", action="store_true", help="the newest versions, instead of those that it has")
    pins.add_argument("--engine", choices=["uv", "pip"], help="what finds the versions; else uv where it is installed")
    pins.add_argument("--no-requirements", dest="pin", action="store_false", help="leave it as it is")


def run(args: argparse.Namespace) -> int:
    from demijohn import hosts

    if args.host is None:
        return _list()
    host = hosts.find(args.host)
    root = find_root(args.root)
    from demijohn.deploy.deployment import prepare

    plan = prepare(root, host, args.python, args.user, pin=args.pin, upgrade=args.upgrade, engine=args.engine)
    print(f"{plan.plan.name} on {host.title}, Python {plan.plan.python}")
    if args.dry_run or args.check:
        changes = _show(plan)
        return int(args.check and changes)
    left = _write(root, plan, overwrite=args.overwrite)
    _tell(host, plan)
    if left:
        _take_them(left, args.host)
    return int(bool(left))


def _list() -> int:
    from demijohn import hosts

    print("demijohn deploy HOST, where HOST is one of:\n")
    names = hosts.names()
    width = max(map(len, names))
    for name in names:
        print(f"  {name:{width}}  {hosts.find(name).title}")
    return 0


def _show(plan: Deployment) -> bool:
    """Say what would be written. Whether there is any of it."""
    states = [*((file.path, file.state) for file in plan.files), *_carried(plan)]
    for path, state in states:
        print(f"  {state:7}  {path}")
    for file in plan.files:
        if file.state == "differs":
            print(f"\n{file.diff()}", end="")
    _say_notes(plan)
    return any(state != "same" for _, state in states)


def _write(root: Path, plan: Deployment, *, overwrite: bool) -> list[str]:
    """Write what may be written. The files that differ and were left."""
    from demijohn.deploy import carry, write

    left = []
    for file in plan.files:
        state = file.state
        if state == "differs" and not _may_change(file, overwrite):
            left.append(file.path)
            state = "left"
        elif state != "same":
            write.write(root, file)
        _line(state, file.path)
    for path, state in _carried(plan):
        if state != "same":
            carry.carry(root)
        _line(state, path)
    if not plan.files:
        print("  It wants no files.")
    elif all(file.state == "same" for file in plan.files) and plan.carried in ("", "same"):
        print("Nothing to do: every file is as the host wants it.")
    return left


def _line(state: str, path: str) -> None:
    print(f"  {_DONE.get(state, state):7}  {path}")


def _carried(plan: Deployment) -> list[tuple[str, str]]:
    return [("site-packages/demijohn", plan.carried)] if plan.carried else []


def _may_change(file: File, overwrite: bool) -> bool:
    """Show what would change, and ask whether it may."""
    print(f"\n{file.path} is there and differs:\n{file.diff()}")
    if overwrite or not sys.stdin.isatty():
        return overwrite
    try:
        return input(f"Write over {file.path}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _tell(host: Host, plan: Deployment) -> None:
    from demijohn.deploy.deployment import commands

    _say_notes(plan)
    for finding in host.checks(plan.plan):
        print(f"\n{finding.path}: {finding.message} {finding.fix}")
    lines = commands(host, plan)
    if lines:
        print("\nWhat is left to type:\n")
        print("\n".join(f"  {line}" for line in lines))
    if host.logs:
        print(f"\nThe logs: {host.logs.replace('NAME', plan.plan.name)}")
    if host.caution:
        print(f"\n{host.caution}")


def _say_notes(plan: Deployment) -> None:
    for note in plan.notes:
        print(f"\n{note}")


def _take_them(left: list[str], host: str) -> None:
    sys.stdout.flush()
    which = left[0] if len(left) == 1 else f"{', '.join(left[:-1])} and {left[-1]}"
    print(
        f"\n{which} {'was' if len(left) == 1 else 'were'} left as {'it is' if len(left) == 1 else 'they are'}"
        f". To take what is shown above: demijohn deploy {host} --overwrite",
        file=sys.stderr,
    )
