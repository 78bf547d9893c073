"""What is said of a setting."""

from __future__ import annotations

from typing import NamedTuple

from demijohn.config.kinds import Kind


class Option(NamedTuple):
    """One setting."""

    #: Dotted: section and key. `environment` and `secret` have no section.
    name: str
    kind: Kind
    default: object
    help: str
    #: What a number counts.
    unit: str = ""
    #: Variables that hosts and add-ons set, the first wins. DEMIJOHN_SECTION_KEY is understood for every option.
    env: tuple[str, ...] = ()
    #: The value is never shown.
    secret: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """All the variables that set it, the strongest first."""
        return ("DEMIJOHN_" + self.name.replace(".", "_").upper(), *self.env)
