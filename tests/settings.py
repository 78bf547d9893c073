"""Settings from a config.yaml, variables and arguments, or the problems with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from demijohn import config
from demijohn.errors import ConfigError

#: Long enough for production.
PHRASE = "a-secret-of-28-characters---"
SAFE = {"SECRET_KEY": PHRASE}


def load(
    root: Path, text: str | bytes = "", arguments: Mapping[str, object] | None = None, **environ: str
) -> config.Config:
    (root / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return config.load(root, arguments, {**SAFE, **environ})


def problems(
    root: Path, text: str | bytes = "", arguments: Mapping[str, object] | None = None, **environ: str
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(root, text, arguments, **environ)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + len(caught.value.problems)
    return [line.strip() for line in lines[1:]]
