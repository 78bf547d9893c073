"""A computer of your own, or a server that nothing else recognises."""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(
    name="local",
    title="your own server",
    disk="kept",
    logs="where you have started it",
    caution="What stands before it is not known, so no header of a proxy's is believed. Behind one, be on `vm`.",
)
