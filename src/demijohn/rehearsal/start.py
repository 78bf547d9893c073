"""Runs a host's start command in this process, watched: `python -m demijohn.rehearsal.start RULES PROGRAM ...`.

What the host forbids is refused and told on stderr, with the site's own line, in this process and in those that it
forks. A program that is no module of Python's takes the process over, unwatched.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from importlib.util import find_spec
from typing import Any

from demijohn.rehearsal.watch import Rules, Watch

_FORBIDDEN = {
    "write": "nothing can be written there",
    "thread": "there are no threads there",
    "process": "a site starts no processes there",
}


def main(rules: Rules, words: list[str]) -> None:
    program = words[0]
    module = program if program.isidentifier() and find_spec(program) is not None else None
    if program == "serve":
        module = "demijohn.rehearsal.serve"
    if module is None:
        os.execvp(program, words)  # from here on nobody watches
    watch = Watch(rules, lambda event: tell(rules, event))
    watch.start()
    watch.visit = "run"
    sys.argv = words
    sys.path[0] = os.getcwd() if program != "serve" else sys.path[0]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def tell(rules: Rules, event: dict[str, Any]) -> None:
    """One line on stderr for what is not allowed."""
    kind = event["event"]
    allowed = {
        "write": rules.temp if event["zone"] == "temp" else not rules.sealed,
        "thread": rules.threads,
        "process": rules.processes,
    }
    if not allowed.get(kind, True):
        did = f"{event['words']} {event['target']}".strip()
        os.write(2, f"demijohn: {event['file']}:{event['line']} {did}: {_FORBIDDEN[kind]}.\n".encode(errors="replace"))


if __name__ == "__main__":
    main(Rules(**json.loads(sys.argv[1])), sys.argv[2:])
