"""gunicorn reads this file by itself when it is started in this folder: `gunicorn main:app`.

With it gunicorn writes nothing, and runs where nothing can be written, /tmp and /dev/shm included. Everything else is
as its command line and its defaults say.
"""

from __future__ import annotations

import os

from gunicorn.workers import base

control_socket_disable = True  # it would be made in the home directory


class Heartbeat(base.WorkerTmp):
    """The file by whose time a worker shows that it is alive, in memory instead of a directory."""

    def __init__(self, cfg):
        descriptor = os.memfd_create("gunicorn-heartbeat")
        if cfg.uid != os.geteuid() or cfg.gid != os.getegid():
            os.fchown(descriptor, cfg.uid, cfg.gid)
        self._tmp = os.fdopen(descriptor, "w+b", 0)


if hasattr(os, "memfd_create"):  # Linux
    base.WorkerTmp = Heartbeat
