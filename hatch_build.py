"""Puts the repository's own site into the wheel, where `demijohn new` finds it. Hatchling runs this."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StarterHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # it finds the site where it lies
            return
        root = Path(self.root)
        parts = runpy.run_path(str(root / "src/demijohn/deploy/starter/parts.py"))["parts"]
        forced = {str(path): f"demijohn/starter/{name}" for name, path in parts(root).items()}
        build_data["force_include"].update(forced)
