"""`demijohn config`: every setting, where its value comes from, and what is wrong with it. Secrets are not shown."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from demijohn.cli.root import HELP, find_root, prefer_development

if TYPE_CHECKING:
    from demijohn.config import Config, Option
    from demijohn.errors import Problem


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="one setting, in detail, or one section")
    parser.add_argument("--root", help=HELP)


def run(args: argparse.Namespace) -> int:
    from demijohn import config

    prefer_development()
    settings, problems = config.read(find_root(args.root))
    if args.name in config.OPTIONS:
        _print_option(settings, config.OPTIONS[args.name])
    elif not _print_table(settings, args.name):
        print(settings.unknown(args.name), file=sys.stderr)
        return 1
    return _report(problems)


def _print_table(settings: Config, section: str | None) -> bool:
    """Whether there was something to print."""
    rows = [row for row in settings.rows() if section in (None, row.name, row.name.partition(".")[0])]
    if not rows:
        return False
    lines = [("*" if row.changed else " ", row.name, f"{row.value} {row.unit}".rstrip(), row.source) for row in rows]
    # A long value does not push all the sources out of sight, only its own.
    widths = [max(min(len(line[column]), 40) for line in lines) for column in range(3)]
    for mark, name, value, source in lines:
        print(f"{mark} {name:{widths[1]}}  {value:{widths[2]}}  {source}")
    if section is None:
        print(f"\n* is not the default. Host: {settings.host.title}. Folder: {settings.root}")
    return True


def _print_option(settings: Config, option: Option) -> None:
    from demijohn.config.settings import shown

    row = next(row for row in settings.rows() if row.name == option.name)
    print(f"{option.name}\n  {option.help}\n")
    for title, text in (
        ("value", f"{row.value} {row.unit}".rstrip()),
        ("source", row.source),
        ("default", shown(option, option.default)),
        ("allowed", option.kind.says),
        ("variables", ", ".join(option.variables)),
    ):
        print(f"  {title:9}  {text}")


def _report(problems: list[Problem]) -> int:
    from demijohn.errors import ConfigError

    if problems:
        sys.stdout.flush()  # first what there is, then what is wrong with it, also where both go to one file
        print(ConfigError(problems), file=sys.stderr)
    return 1 if problems else 0
