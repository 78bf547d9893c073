"""Google App Engine, standard environment, Python 3."""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(
    name="gae",
    title="Google App Engine",
    disk="none",  # but for /tmp, which is a part of the instance's memory
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (only the front end reaches it)
    },
)
