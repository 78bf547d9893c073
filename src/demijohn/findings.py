"""What is found to be wrong with a site before it is on its host: `demijohn check` prints it, and a host's profile may
add its own."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One fault, with its place and its cure."""

    #: As docs/checks.md lists it: a letter for the kind of check and three digits, such as `R401`.
    code: str
    #: The file, relative to the site's folder; empty where it lies in no file.
    path: str
    #: Counted from 1; 0 where there is no line.
    line: int
    #: What happens on the host, in a sentence.
    message: str
    #: What to do, in a sentence.
    fix: str
    #: `error`: the site does not work there. `warning`: it works, and will hurt.
    level: str = "error"
