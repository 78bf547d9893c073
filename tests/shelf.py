"""An index in a folder: uv and pip look for packages there, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

from tests.wheels import write_wheel


class Shelf:
    """`shelf.add("trial", "1.0", "other>=2")`"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def variables(self) -> dict[str, str]:
        """What makes uv and pip look here alone."""
        folder = str(self.folder)
        config = self.folder / "uv.toml"
        config.write_text(f"no-index = true\nfind-links = [{json.dumps(folder)}]\n")
        return {"UV_CONFIG_FILE": str(config), "PIP_FIND_LINKS": folder, "PIP_NO_INDEX": "1"}

    def add(self, name: str, version: str, *requires: str) -> Path:
        """A wheel with one module, which is empty."""
        return write_wheel(self.folder, name, version, {f"{name}.py": ""}, requires)
