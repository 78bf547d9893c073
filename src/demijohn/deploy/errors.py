"""Why a site could not be made ready for a host."""

from __future__ import annotations

from demijohn.errors import DemijohnError


class DeployError(DemijohnError):
    """The files of a host could not be made or written."""


class PythonVersionError(DeployError):
    """The host does not run the Python that was asked for."""

    def __init__(self, version: str, source: str, host: str, known: tuple[str, ...]) -> None:
        there = f"{host} runs {', '.join(known)}" if known else "It is written like 3.13"
        super().__init__(f"{source} says Python {version}. {there}. Choose one: --python {(known or ('3.13',))[-1]}")
        #: What was asked for, and where.
        self.version = version
        self.source = source
        #: What the host has; empty for any.
        self.known = known


class InTheWayError(DeployError):
    """Where a file is to be, there is something that is no file of the site's own."""


class CannotWriteError(DeployError):
    """A file could not be written. Those that were named before it are."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}. Make the site's folder writable and run this again.")
        #: Relative to the site's folder.
        self.path = path


class RequirementsError(DeployError):
    """The packages that the host is to install cannot be told."""
