"""gunicorn reads this file by itself when it is started in this folder: `gunicorn main:app`.

The address, the numbers of processes and threads, the times and whose headers to believe come from the settings and
from what is known of the host; `gunicorn --print-config main:app` shows them. What is written at the end of this file
is stronger than they are, and what is written on gunicorn's command line stronger still.

With it gunicorn writes nothing (but where it can, the bytecode of this file: PYTHONDONTWRITEBYTECODE=1), and runs where
nothing can be written, /tmp and /dev/shm included.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec

from gunicorn.workers import base

sys.dont_write_bytecode = True
_root = os.path.dirname(os.path.abspath(__file__))
_path = sys.path[:]
# Where index.wsgi looks for Demijohn.
sys.path[:] = [os.path.join(_root, "site-packages"), *_path, os.path.join(_root, "src")]
# The package without what `import demijohn` imports: Bottle and the site are for the workers. They also import Demijohn
# anew, so that after a reload (HUP) no worker has a half of the old release.
_spec = find_spec("demijohn")
assert _spec is not None, "Demijohn is not installed, and lies neither in site-packages nor in src."
sys.modules["demijohn"] = module_from_spec(_spec)
try:
    from demijohn.deploy.gunicorn import settings

    globals().update(settings(_root))
finally:
    for _name in [name for name in sys.modules if name.partition(".")[0] == "demijohn"]:
        del sys.modules[_name]
    sys.path[:] = _path

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
