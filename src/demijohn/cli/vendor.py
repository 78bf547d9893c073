"""`demijohn vendor`: fill site-packages/ with what the site needs, for hosts that install nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from demijohn.cli.progress import Progress
from demijohn.cli.root import HELP, find_root

if TYPE_CHECKING:
    from demijohn.deploy.vendor import Package, Report
    from demijohn.hosts import Host, Limits


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="requirements beside those of the site")
    parser.add_argument("--root", help=HELP)
    parser.add_argument("--target", metavar="FOLDER", help="the folder to fill; else the site's site-packages/")
    parser.add_argument("--python", metavar="VERSION", help="3.13; else .python-version, the host's, or this one")
    parser.add_argument("--platform", help="linux-x86_64 (the default), manylinux_2_28_x86_64, alpine, macos, ...")
    parser.add_argument("--host", help="keep to what this host allows")
    parser.add_argument("--pure", action="store_true", help="leave compiled files out")
    parser.add_argument("--engine", choices=("uv", "pip"), help="what fetches; else uv where it is installed")
    parser.add_argument("--requirements", metavar="FILE", help="else the site's requirements.txt or pyproject.toml")
    parser.add_argument("--find-links", metavar="PLACE", action="append", default=[], help="a folder of wheels")
    parser.add_argument("--no-index", action="store_true", help="look nowhere but there")
    parser.add_argument("--keep-tests", action="store_true", help="leave the packages' own tests and documents in")
    parser.add_argument("--replace", action="store_true", help="also files there that were changed, or are of others")
    parser.add_argument("--dry-run", action="store_true", help="fetch, try and tell, and change nothing")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    from demijohn import hosts
    from demijohn.deploy import vendor
    from demijohn.deploy.vendor.fill import STEPS

    root = find_root(args.root)
    host = hosts.find(args.host) if args.host else None
    with Progress(lambda: STEPS, "steps") as progress:
        report = vendor.fill(
            root,
            Path(args.target) if args.target else root / "site-packages",
            args.python,
            args.platform,
            args.pure,
            packages=args.packages,
            requirements=Path(args.requirements) if args.requirements else None,
            host=host,
            engine=args.engine,
            find_links=args.find_links,
            index=not args.no_index,
            keep_tests=args.keep_tests,
            replace=args.replace,
            dry_run=args.dry_run,
            say=lambda _step: progress.advance(1),
        )
    if args.json:
        _print_json(report)
    else:
        _print(report, host, args.dry_run)
    return 0


def _print(report: Report, host: Host | None, dry_run: bool) -> None:
    rows: list[tuple[str, ...]] = [("package", "version", "as installed", "files", "carried", "files", "")]
    rows += [_row(package) for package in report.packages]
    before = sum(package.size_before for package in report.packages)
    counts = str(sum(package.files_before for package in report.packages)), str(report.files)
    rows.append(("all", "", _kilobytes(before), counts[0], _kilobytes(report.size), counts[1], ""))
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    for row in rows:
        cells = [f"{cell:{'<' if at in (0, 1, 6) else '>'}{widths[at]}}" for at, cell in enumerate(row)]
        print("  ".join(cells).rstrip())
    print()
    for package in report.packages:
        for note in package.notes:
            print(f"{package.name}: {note}")
    _print_compiled(report)
    if host:
        print(f"{host.title}: {_within(report, host.limits)}")
    if report.kept:
        print(f"Not from here, and left as they are: {', '.join(report.kept)}")
    done = "Nothing was changed. It would be" if dry_run else "It is"
    print(f"{done} for CPython {report.python} on {report.platform}, by {report.engine}: {report.target}")


def _row(package: Package) -> tuple[str, ...]:
    said = "" if package.origin == "wheel" else f"from its {package.origin}  "
    if package.compiled:
        said += f"{len(package.compiled)} compiled"
    elif package.dropped:
        said += f"without {len(package.dropped)} compiled"
    before = _kilobytes(package.size_before), str(package.files_before)
    return package.name, package.version, *before, _kilobytes(package.size), str(package.files), said.rstrip()


def _print_compiled(report: Report) -> None:
    from demijohn import hosts

    if report.compiled:
        names = ", ".join(package.name for package in report.compiled)
        refusing = [host.title for host in map(hosts.find, hosts.names()) if not host.native]
        refused = f" {', '.join(refusing)} would refuse them." if refusing else ""
        print(f"Not pure Python: {names}.{refused} --pure leaves what is compiled out.")


def _within(report: Report, limits: Limits) -> str:
    """What there is of what is allowed. More than that is an error before."""
    pairs = [
        ("the largest file", _kilobytes(report.largest[0]), limits.file and _kilobytes(limits.file)),
        ("files in the fullest folder", report.fullest[0], limits.folder),
        ("files", report.files, limits.files),
        ("in all", _kilobytes(report.size), limits.total and _kilobytes(limits.total)),
    ]
    said = [f"{what} {there} of {allowed}" for what, there, allowed in pairs if allowed]
    return "; ".join(said) or "no limits are known"


def _kilobytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB".replace(",", " ")


def _print_json(report: Report) -> None:
    import json

    fields = report._asdict()
    fields["target"] = str(report.target)
    fields["packages"] = [package._asdict() for package in report.packages]
    fields.update(size=report.size, files=report.files)
    print(json.dumps(fields, indent=2))
