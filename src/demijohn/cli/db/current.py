"""`demijohn db current`: which migrations have run."""

from __future__ import annotations

import argparse

from demijohn.cli.db.migrations import history_of, schema_of
from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(site: Site, args: argparse.Namespace) -> int:
    history = history_of(site)
    schema = schema_of(site)
    done = history.up_to(schema.current)
    for revision in history:
        mark = "*" if revision.id in schema.current else " "
        print(f"{mark} {'ran' if revision.id in done else '-  '}  {revision}")
    print(schema)
    return 0
