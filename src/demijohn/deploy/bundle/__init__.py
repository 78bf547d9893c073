"""The folder, or the zip file, that is uploaded to a host: `demijohn bundle`.

Nothing here is imported where a site runs.
"""

from __future__ import annotations

from demijohn.deploy.bundle.make import make as make
from demijohn.deploy.bundle.manifest import MANIFEST as MANIFEST
from demijohn.deploy.bundle.manifest import Manifest as Manifest
