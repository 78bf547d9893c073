"""How gunicorn is to serve a site on its host. gunicorn.conf.py asks for it in gunicorn's first process, which loads
neither the site nor Bottle; what is imported here is imported there, so it is little."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demijohn import config
from demijohn.config.settings import by_itself
from demijohn.deploy.draining import prepare
from demijohn.deploy.logger import logger_class
from demijohn.hosts import Host

#: Seconds. gunicorn's own, and the most that is set: a worker that has been silent longer is stuck on any host.
TIMEOUT = 30
#: Seconds that an idle connection is kept for a router of which nobody says how long it keeps one itself.
KEEP_ALIVE = 75
#: Seconds that a connection outlives the router's.
MARGIN = 10
EVERYWHERE = "0.0.0.0"  # noqa: S104


def settings(root: Path | str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """gunicorn's settings for the site in the folder `root`, by gunicorn's names. Its command line is the stronger.

    Mistakes in the settings are not told here: the site does, as it boots.

    :param environ: the variables; by default those of the process.
    """
    environ = os.environ if environ is None else environ
    read, _ = config.read(root, environ=environ)
    return {
        "bind": [_address(read, environ)],
        "worker_class": "gthread",  # as the sync worker keeps no connection alive
        "workers": read["server.workers"],
        "threads": read["server.threads"],
        **_times(read.host),
        **_trust(read.host, environ),
        "logger_class": logger_class(read),
        "post_fork": _tell_the_site,
        "post_worker_init": prepare,
    }


def _address(read: config.Config, environ: Mapping[str, str]) -> str:
    host, port = read["server.host"], read["server.port"]
    if by_itself(read.source("server.port")) and read.host.port is not None:
        port = read.host.port
    if by_itself(read.source("server.host")) and environ.get("PORT") and not read.host.start:
        # On a machine of which nothing is known, who sets PORT expects what gunicorn does by itself.
        host = EVERYWHERE
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _times(host: Host) -> dict[str, int]:
    """Seconds: shorter than the host's own patience, so that gunicorn acts first; and a connection is kept longer than
    the router keeps it, so that none is closed just as a request is sent on it."""
    limits = host.limits
    patience = limits.first_byte or limits.request
    timeout = TIMEOUT if patience is None else min(TIMEOUT, _most_of(patience))
    times = {"timeout": 0 if host.freezes else timeout}
    times["graceful_timeout"] = TIMEOUT if limits.grace is None else min(TIMEOUT, _most_of(limits.grace))
    if limits.keep_alive is not None:
        times["keepalive"] = int(limits.keep_alive) + MARGIN
    elif host.proxies.hops:
        times["keepalive"] = KEEP_ALIVE
    return times


def _most_of(seconds: float) -> int:
    """Five sixths of it, and at least a second: 25 of 30, 8 of 10, 2 of 3."""
    return max(1, int(seconds * 5 / 6))


def _trust(host: Host, environ: Mapping[str, str]) -> dict[str, Any]:
    """Believe the one header in which the host's router says over what the visitor came, where nobody else can reach
    the port; the profile listens on all addresses only there. Else only a proxy on the same machine is believed."""
    proxies = host.proxies
    # Routers hand on a visitor's Script_Name, and gunicorn would answer 500 to a path that does not begin with it.
    trust: dict[str, Any] = {"forwarder_headers": ""}
    if proxies.scheme:
        # A visitor's own X-Forwarded-Ssl is neither believed nor found to contradict the router's header.
        trust["secure_scheme_headers"] = {proxies.scheme.upper(): "https"}
    if proxies.hops and host.defaults.get("server.host") == EVERYWHERE:
        trust["forwarded_allow_ips"] = environ.get("FORWARDED_ALLOW_IPS", "*")
    return trust


def _tell_the_site(_server: Any, worker: Any) -> None:
    """The pool of database connections is measured by how many processes and threads there really are, whatever
    gunicorn's command line has made of the settings."""
    os.environ["DEMIJOHN_SERVER_WORKERS"] = str(worker.cfg.workers)
    if worker.cfg.worker_class_str == "gthread":
        os.environ["DEMIJOHN_SERVER_THREADS"] = str(worker.cfg.threads)
