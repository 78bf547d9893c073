"""config.yaml, read beforehand."""

from __future__ import annotations

import json
from pathlib import Path

from demijohn.config import document, prepared
from demijohn.errors import ConfigError


def write(tree: Path) -> bool:
    """Write down what config.yaml in `tree` holds, for the site to take on its host. Whether that could be done: JSON
    does not hold everything that YAML does, and then the host reads config.yaml.

    :raises ConfigError: it holds a mistake.
    """
    path = tree / "config.yaml"
    if not path.is_file():
        return False
    read = document.read(path)
    if read.problems:
        raise ConfigError(read.problems)
    content = {"of": prepared.digest(path.read_bytes()), "given": read.given, "name": read.name}
    try:
        text = json.dumps(content, allow_nan=False)
    except (TypeError, ValueError):
        return False
    target = tree / prepared.FOLDER / prepared.FILE
    target.parent.mkdir(exist_ok=True)
    target.write_text(text + "\n", encoding="utf-8")
    if prepared.find(path) == (read.given, read.name):
        return True
    target.unlink()  # a key that is a number, say
    return False
