"""The settings while they are being put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from demijohn.config.options import OPTIONS
from demijohn.config.settings import DEFAULT, by_itself
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
        #: Whether the host is only played.
        self.rehearsal = False
        self.values: dict[str, Any] = {name: option.default for name, option in OPTIONS.items()}
        self.sources: dict[str, str] = dict.fromkeys(OPTIONS, DEFAULT)
        self._layers: dict[str, list[tuple[object, str]]] = {}
        #: The settings of which some layer has a wrong value. What contradicts them is not worth saying.
        self.wrong: set[str] = set()

    def put(self, name: str, value: object, source: str) -> None:
        covered = self._layers.setdefault(name, [(self.values.get(name), DEFAULT)])
        covered.append((value, source))
        self.values[name] = value
        self.sources[name] = source

    def take_back(self, name: str, unwanted: Callable[[str], bool]) -> None:
        """Forget what came from unwanted sources: the value that they covered shows again."""
        wanted = [layer for layer in self._layers.get(name, ()) if not unwanted(layer[1])]
        if wanted:
            self.values[name], self.sources[name] = wanted[-1]

    def is_default(self, name: str) -> bool:
        """Whether nobody has set it: it is the default, or follows from other settings."""
        return by_itself(self.sources[name])

    @property
    def production(self) -> bool:
        return bool(self.values["environment"] != "development")
