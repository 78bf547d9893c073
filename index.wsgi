"""The door that SAE, uWSGI, mod_wsgi and PythonAnywhere come in by: `application`."""

from __future__ import annotations

import gc
import os
import sys

sys.dont_write_bytecode = True  # the disk is not ours to write on

# Absolute, for uWSGI hands over a relative __file__, and mod_wsgi starts in "/".
_root = os.path.dirname(os.path.abspath(__file__))
_carried = os.path.join(_root, "site-packages")
_source = os.path.join(_root, "src")

if os.path.isdir(_carried) and any(name != "README.md" and name[0] != "." for name in os.listdir(_carried)):
    sys.path.insert(0, _carried)  # what the site carries along comes before what the host has installed
sys.path.insert(0, _root)
if os.path.isdir(os.path.join(_source, "demijohn")):
    sys.path.append(_source)  # a fresh clone of Demijohn itself, where nothing is installed

# Little that is made on the way up is garbage, and to look for it as often as usual takes a tenth of the way.
_usual = gc.get_threshold()
gc.set_threshold(10_000, 20, 100)
try:
    from app import site as application
finally:
    gc.set_threshold(*_usual)
gc.freeze()  # what is left stays; forked workers go on sharing it

__all__ = ["application"]
