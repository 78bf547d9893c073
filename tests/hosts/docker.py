"""A Dockerfile's last image, started without Docker: in its folder, with its variables, by its command.

Docker itself is not to be had in the tests. What is read here is what the Dockerfile's reference says of the four
instructions that matter at the start; the rest is for the builder, and a line that is none is a failure."""

from __future__ import annotations

import json
import re
import shlex
from typing import NamedTuple

from tests.hosts.instance import PATH

_KNOWN = {
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM"),
    *("HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "USER", "WORKDIR"),
}


class Image(NamedTuple):
    command: list[str]
    environ: dict[str, str]
    folder: str
    ports: list[int]
    #: What is run as it is built, after the last FROM.
    runs: list[str]


def image(dockerfile: str) -> Image:
    """What `docker run` would start."""
    instructions = _instructions(dockerfile)
    last = max(number for number, (name, _) in enumerate(instructions) if name == "FROM")
    command: list[str] = []
    environ: dict[str, str] = {"PATH": PATH}
    folder = "/"
    ports: list[int] = []
    runs: list[str] = []
    for name, rest in instructions[last:]:
        if name == "ENV":
            for word in shlex.split(rest):
                variable, _, value = word.partition("=")
                environ[variable] = re.sub(r"\$\{?(\w+)\}?", lambda match: environ.get(match[1], ""), value)
        elif name == "WORKDIR":
            folder = rest
        elif name == "EXPOSE":
            ports += map(int, rest.split())
        elif name == "RUN":
            runs.append(rest)
        elif name == "CMD":  # without brackets, it is a shell's, which would get the signals
            command = json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]
    return Image(command, environ, folder, ports, runs)


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    found = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            assert name in _KNOWN, f"the Dockerfile says {line}"
            found.append((name, rest.strip()))
    assert found[0][0] in ("FROM", "ARG")
    return found
