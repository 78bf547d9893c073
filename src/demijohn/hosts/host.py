"""What a host is, as data: how it is recognised, what it gives, and what it takes away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Host(NamedTuple):
    """The profile of a host."""

    #: As DEMIJOHN_HOST and `demijohn config` spell it.
    name: str
    #: As its owner spells it.
    title: str
    #: Variables that only this host sets, each with the beginning of its value ("" for any). One of them is enough.
    marks: Mapping[str, str]
    #: What becomes of a file written at run time: `kept`, `forgets` (gone with the next restart, not seen by the other
    #: copies of the site), `none` (it cannot be written).
    disk: str
    #: Settings that suit this host, by their dotted names.
    defaults: Mapping[str, object]
    #: Settings that this host keeps in variables of its own: dotted name to variable.
    variables: Mapping[str, str]

    def recognised(self, environ: Mapping[str, str]) -> bool:
        """Whether the process with these variables runs on this host."""
        return any(
            variable in environ and environ[variable].startswith(start) for variable, start in self.marks.items()
        )

    def settings(self, environ: Mapping[str, str]) -> dict[str, tuple[object, str]]:
        """What this host sets: dotted name to the value and its source, `host NAME` or the variable."""
        settings = {name: (value, f"host {self.name}") for name, value in self.defaults.items()}
        for name, variable in self.variables.items():
            if environ.get(variable):
                settings[name] = (environ[variable], f"{variable} (host {self.name})")
        return settings
