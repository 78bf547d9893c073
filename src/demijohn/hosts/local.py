"""A computer of your own, or a server that nothing else recognises."""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(name="local", title="your own server", disk="kept")
