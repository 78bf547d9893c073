"""Sina App Engine, the shared runtime. Its container runtime sets no variable of its own and is like any other server.

The variable SECRET_KEY is set by this host, to the site's own secret for SAE's services; unless DEMIJOHN_SECRET is set,
it also signs the cookies, and the users are signed out when it is changed in the panel.
"""

from __future__ import annotations

from demijohn.hosts.host import Host

HOST = Host(
    name="sae",
    title="Sina App Engine",
    disk="none",
    defaults={
        "environment": "production",
        "database.idle": 10,  # MySQL hangs up after 30 s; 10 s is what the guide's FAQ advises
        "memcached.url": "127.0.0.1:11211",  # its pylibmc finds the servers by itself, but wants to be given one
    },
    # The host of the read-only copy of its MySQL; everything else is as in database.url.
    variables={"memcached.prefix": "APP_NAME", "database.replicas": "MYSQL_HOST_S"},
)
