"""Heroku. DATABASE_URL, REDIS_URL, PORT, WEB_CONCURRENCY and the variables of MemCachier are understood on every host
and not named here."""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(
    name="heroku",
    title="Heroku",
    disk="forgets",  # a dyno restarts every day, and with every push, from the files that were pushed
    defaults={
        "environment": "production",
        "server.host": "0.0.0.0",  # noqa: S104  (the router stands in front, and reaches no other address)
        "database.tls": "require",  # its databases are on public addresses, with certificates signed by themselves
        "redis.verify": False,  # its Redis speaks TLS with a certificate that it has signed by itself
    },
)
