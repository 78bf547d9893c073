"""Servers that another process has started, and ends: for tests that run where nothing can be written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypeVar

from tests.services import Service

ServiceT = TypeVar("ServiceT", bound=Service)
VARIABLE = "DEMIJOHN_TEST_SERVERS"


def lend(*servers: Service) -> dict[str, str]:
    """The environment in which tests find these servers. They must not stop or freeze them."""
    places = {server.name: [server.port, str(server.folder)] for server in servers}
    return {VARIABLE: json.dumps(places)}


def borrowed(kind: type[ServiceT]) -> ServiceT | None:
    """The server of this kind that was lent to this process."""
    places = json.loads(os.environ.get(VARIABLE, "{}"))
    if kind.name not in places:
        return None
    server = kind.__new__(kind)  # not made: that would make a folder
    server.host, server.port = "127.0.0.1", places[kind.name][0]
    server.folder = Path(places[kind.name][1])
    server.log = server.folder / "log"
    server.start = lambda: None  # type: ignore[method-assign]
    return server
