"""The same door for servers that import a module by name: `gunicorn main:app`, App Engine, Cloud Run, Vercel.

None of them can load a file called index.wsgi, and `gunicorn index.wsgi` takes the dot for a package's.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location

sys.dont_write_bytecode = True  # nor of index.wsgi

_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "index.wsgi")
_loader = SourceFileLoader("index_wsgi", _path)
_spec = spec_from_file_location("index_wsgi", _path, loader=_loader)  # spec_from_loader would leave __file__ out
assert _spec is not None
_index = module_from_spec(_spec)
_loader.exec_module(_index)

app = _index.application
application = app
