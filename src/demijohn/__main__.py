"""`python -m demijohn`."""

from __future__ import annotations

import sys

from demijohn.cli import main

sys.exit(main())
