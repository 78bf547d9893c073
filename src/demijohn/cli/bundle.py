"""`demijohn bundle`: the folder, or the zip file, that is uploaded to a host."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from demijohn.cli.progress import Progress
from demijohn.cli.root import HELP, find_root

if TYPE_CHECKING:
    from demijohn.deploy.bundle import Manifest
    from demijohn.hosts import Host


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", help="the host that it is for: heroku, gae, sae, pythonanywhere, vm, ...")
    parser.add_argument("--root", help=HELP)
    parser.add_argument(
        "--output", metavar="DIR|FILE.zip", help="where to; else dist/HOST in the site's folder, or dist/HOST.zip"
    )
    parser.add_argument("--zip", action="store_true", help="one zip file in place of a folder")
    parser.add_argument("--python", metavar="3.13", help="the host's Python; else .python-version's, or one it has")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--vendor",
        action="store_true",
        default=None,
        help="fetch the packages into it, for a host that would install them, too",
    )
    which.add_argument(
        "--no-vendor", dest="vendor", action="store_false", help="take the packages that lie in site-packages/"
    )
    parser.add_argument(
        "--include",
        metavar="FILE",
        action="append",
        default=[],
        help="take this file, although it is called as if it were secret or not needed there",
    )
    parser.add_argument("--json", action="store_true", help="say what was made as JSON")


def run(args: argparse.Namespace) -> int:
    from demijohn import hosts
    from demijohn.deploy import bundle

    root = find_root(args.root)
    host = hosts.find(args.host)
    zip = args.zip or str(args.output or "").endswith(".zip")
    target = Path(args.output) if args.output else root / "dist" / (f"{host.name}.zip" if zip else host.name)
    made = bundle.make(
        root,
        host,
        target,
        zip=zip,
        vendor=args.vendor,
        python=args.python,
        include=args.include,
        bar=_bar,
        say=lambda step: print(f"{step} ...", file=sys.stderr, flush=True) if sys.stderr.isatty() else None,
    )
    print(_as_json(made) if args.json else _as_text(made, host))
    return 0


@contextlib.contextmanager
def _bar(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    with Progress(lambda: total, unit) as progress:
        yield progress.advance


def _as_json(made: Manifest) -> str:
    content = {**made._asdict(), "path": str(made.path), "size": made.size}
    content["files"] = {name: file.size for name, file in made.files.items()}
    return json.dumps(content, indent=1)


def _as_text(made: Manifest, host: Host) -> str:
    size = f"{made.size / 1024**2:,.1f} MB"
    lines = [
        f"{made.path}: {made.site} for {host.title}, Python {made.python}, {len(made.files):,} files, {size}",
        f"Release {made.release}.",
    ]
    reasons = dict.fromkeys(made.left_out.values())
    for reason in reasons:
        names = [name for name, why in made.left_out.items() if why == reason]
        lines.append(f"Left out, {reason}: {', '.join(names)}")
    lines += made.notes
    if made.missing:
        lines.append(
            f"{host.title} wants {', '.join(made.missing)}, which the site has not: demijohn deploy {host.name}"
        )
    if not made.compiled:
        lines.append(
            f"WARNING: there is no Python {made.python} on this machine to compile with, so this bundle holds sources "
            "alone. Where the host cannot write, every start will take three times as long. Install that Python (uv "
            f"python install {made.python}) and bundle again, or choose the one that you have: --python"
        )
    return "\n".join(lines)
