"""The packages that a site carries along in `site-packages/`, for hosts that install none: `demijohn vendor`.

Nothing here is imported where a site runs.
"""

from __future__ import annotations

from demijohn.deploy.vendor.fill import fill as fill
from demijohn.deploy.vendor.manifest import MANIFEST as MANIFEST
from demijohn.deploy.vendor.report import Package as Package
from demijohn.deploy.vendor.report import Report as Report
from demijohn.deploy.vendor.target import Target as Target
