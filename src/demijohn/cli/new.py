"""`demijohn new NAME`: a folder with a site that runs, to begin with."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the folder to make, which names the site; an empty one will do")
    parser.add_argument("--bare", action="store_true", help="the smallest site, of one page, instead of the guestbook")
    parser.add_argument("--host", help="also write the files that this host wants")


def run(args: argparse.Namespace) -> int:
    from demijohn import hosts
    from demijohn.deploy.starter import make
    from demijohn.deploy.starter.place import check_place, put, site_name

    host = hosts.find(args.host).name if args.host else None
    target = Path(os.path.abspath(args.name))
    name = site_name(target.name)
    check_place(target)
    put(target, make(target.name, name, bare=args.bare))
    print(f"Made {args.name}: {'a site of one page' if args.bare else 'a guestbook'} to begin with, and its tests.\n")
    status = 0
    if host is not None:
        from demijohn.cli import main

        # Over config.yaml, too, where the host wants something there: nobody has edited it yet.
        status = main(["deploy", host, "--root", str(target), "--overwrite"])
        print("\nAnd on this machine:\n")
    print("\n".join(_next_steps(None if target == Path.cwd() else args.name, host)), flush=True)
    return status


def _next_steps(folder: str | None, host: str | None) -> list[str]:
    steps = [
        (f"cd {_quoted(folder)}" if folder else "", ""),
        ("demijohn run", "http://127.0.0.1:8080, and again after each change"),
        ("make test", "its tests, in an environment of their own: .venv"),
        ("" if host else "demijohn deploy HOST", "the files that a host wants"),
    ]
    return [f"  {command:22}{f'  # {purpose}' if purpose else ''}".rstrip() for command, purpose in steps if command]


def _quoted(word: str) -> str:
    """As the shell reads it."""
    if os.name == "nt":
        return f'"{word}"' if " " in word else word
    return shlex.quote(word)
