"""PythonAnywhere: uWSGI of the host's own, which neither asks for an address nor has threads."""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(
    name="pythonanywhere",
    title="PythonAnywhere",
    disk="kept",
    defaults={
        "environment": "production",
        "database.idle": 280,  # its MySQL hangs up after 300 s (help page "UsingSQLAlchemywithMySQL")
        "server.threads": 1,
    },
)
