"""What piku makes of a push: its reading of Procfile and ENV, and the file that its uWSGI is then given (piku.py,
`parse_procfile`, `parse_settings`, `spawn_worker`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.services import HOST


def processes(site: Path) -> dict[str, str]:
    """Kind to command."""
    lines = (line.strip() for line in (site / "Procfile").read_text().splitlines())
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {kind.strip(): command.strip() for kind, _, command in pairs}


def variables(site: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` and those of the file ENV, in which $NAME is one that came before."""
    found = dict(environ)
    lines = (line.strip() for line in (site / "ENV").read_text().splitlines())
    for line in lines:
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            expanded = re.sub(r"\$\{?(\w+)\}?", lambda match: found.get(match[1], match[0]), value.strip())
            found[name.strip()] = expanded
    return found


def ini(kind: str, command: str, environ: Mapping[str, str], site: Path, port: int) -> str:
    """uWSGI's file. Where nginx would speak uWSGI's protocol over a socket, the tests speak HTTP."""
    settings = [
        ("chdir", str(site)),
        ("master", "true"),
        ("max-requests", environ.get("UWSGI_MAX_REQUESTS", "1024")),
        ("listen", environ.get("UWSGI_LISTEN", "16")),
        ("processes", environ.get("UWSGI_PROCESSES", "1")),
        ("enable-threads", environ.get("UWSGI_ENABLE_THREADS", "true").lower()),
    ]
    if kind == "wsgi":
        settings += [("module", command), ("threads", environ.get("UWSGI_THREADS", "4")), ("plugin", "python3")]
        settings += [("http-socket", f"{HOST}:{port}")]
    else:
        settings += [("attach-daemon", command)]
    settings += [("env", f"{name}={value}") for name, value in environ.items()]
    return "[uwsgi]\n" + "".join(f"{name} = {value}\n" for name, value in settings)
