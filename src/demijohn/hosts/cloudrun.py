"""Google Cloud Run. PORT is set by it; the container contract asks for a server on 0.0.0.0."""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(
    name="cloudrun",
    title="Google Cloud Run",
    disk="forgets",  # files lie in the instance's memory
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only the front end reaches it)
    },
)
