"""How a worker of gunicorn ends, so that nothing is lost that somebody has sent it.

Told to end (SIGTERM), it says so to whoever asks `/_health/ready`; takes requests for `server.drain` seconds more,
until the load balancer has asked; then takes what waits in the socket's queue, closes the socket, so that a proxy finds
at once that nobody is there, and finishes. By itself gunicorn leaves what waits in the queue to be cut off with it.
"""

from __future__ import annotations

import signal
from typing import Any


def prepare(worker: Any) -> None:
    """gunicorn's `post_worker_init`: the site is loaded, and no request has come yet."""
    from demijohn.doors import find_site  # anew in each worker, with the site

    site = find_site(worker.wsgi)
    told: list[int] = []
    if site is not None and hasattr(site, "health"):
        site.health.draining = lambda: bool(told) or not worker.alive
        seconds = min(site.settings["server.drain"], worker.cfg.graceful_timeout / 2)
        if seconds > 0:
            _wait_first(seconds, told)
    if hasattr(worker, "set_accept_enabled"):  # gthread, since gunicorn 24
        _empty_the_queue(worker)


def _wait_first(seconds: float, told: list[int]) -> None:
    end: Any = signal.getsignal(signal.SIGTERM)

    def later(_signal: int, frame: Any) -> None:
        if told:  # for the second time: at once
            end(signal.SIGTERM, frame)
            return
        told.append(signal.SIGTERM)
        signal.signal(signal.SIGALRM, lambda _signal, frame: end(signal.SIGTERM, frame))
        signal.setitimer(signal.ITIMER_REAL, seconds)

    signal.signal(signal.SIGTERM, later)
    signal.siginterrupt(signal.SIGTERM, False)


def _empty_the_queue(worker: Any) -> None:
    set_accept_enabled = worker.set_accept_enabled

    def stop_well(enabled: bool) -> None:
        set_accept_enabled(enabled)
        if enabled or worker.alive:
            return
        for listener in worker.sockets:
            if listener.sock is None:
                continue
            before = -1
            while before != worker.nr_conns:  # the last one found nobody
                before = worker.nr_conns
                worker.accept(listener)
            listener.close()

    worker.set_accept_enabled = stop_well
