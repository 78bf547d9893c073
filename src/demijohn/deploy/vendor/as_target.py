"""Run pip as if it were on another Python: python as_target.py MARKERS ARGUMENTS...

pip takes wheels for the Python that --python-version names, but asks the environment markers of requirements, such as
`; python_version < "3.12"`, of the Python that it runs on itself. MARKERS are the right answers, as JSON.
"""

from __future__ import annotations

import json
import sys

from pip._internal.cli.main import main
from pip._vendor.packaging import markers

_usual = markers.default_environment


def _there() -> markers.Environment:
    environment = _usual()
    environment.update(json.loads(sys.argv[1]))
    return environment


if __name__ == "__main__":
    markers.default_environment = _there
    sys.exit(main(sys.argv[2:]))
