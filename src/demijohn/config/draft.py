"""The settings while they are being put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from demijohn.config.options import OPTIONS
from demijohn.config.settings import DEFAULT
from demijohn.errors import Problem
from demijohn.hosts import Host


class Given(NamedTuple):
    """A value as somebody wrote it, before it is judged."""

    name: str
    value: object
    source: str


class Draft:
    """Values and their sources, the defaults to begin with; what is wrong is collected in `problems`."""

    def __init__(self, host: Host, root: Path, problems: list[Problem]) -> None:
        self.host = host
        self.root = root
        self.problems = problems
        self.values: dict[str, Any] = {name: option.default for name, option in OPTIONS.items()}
        self.sources: dict[str, str] = dict.fromkeys(OPTIONS, DEFAULT)
        #: The settings of which some layer has a wrong value. What contradicts them is not worth saying.
        self.wrong: set[str] = set()

    def put(self, name: str, value: object, source: str) -> None:
        self.values[name] = value
        self.sources[name] = source

    def is_default(self, name: str) -> bool:
        return self.sources[name] == DEFAULT

    @property
    def production(self) -> bool:
        return bool(self.values["environment"] != "development")
