"""Why there is no bundle. Whatever the error, what was there before is as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from demijohn.deploy.errors import DeployError


class BundleError(DeployError):
    """The bundle could not be made."""


class Leak(NamedTuple):
    """A secret in a file of the site."""

    #: Relative to the site's folder.
    path: str
    #: Counted from 1.
    line: int
    #: What it is, never its value: `the value of SECRET_KEY`.
    what: str


class SecretsError(BundleError):
    """Files of the site hold secrets."""

    def __init__(self, leaks: Iterable[Leak]) -> None:
        #: Where, in the order of the files.
        self.leaks = list(leaks)
        lines = [f"  {leak.path}:{leak.line}: {leak.what}" for leak in self.leaks]
        super().__init__(
            "There are secrets in what would be uploaded:\n"
            + "\n".join(lines)
            + "\nKeep them in the environment of the host (SECRET_KEY, DATABASE_URL), or in .env, which stays here."
        )


class HostRefusesError(BundleError):
    """The host would not take the bundle."""

    def __init__(self, host: str, excesses: Iterable[str]) -> None:
        #: The host's title.
        self.host = host
        #: What is more than it allows, a sentence each, with figures.
        self.excesses = list(excesses)
        super().__init__("\n".join([f"{host} would not take this bundle:", *(f"  {each}" for each in self.excesses)]))


class SourceError(BundleError):
    """A file of the site is not Python."""

    def __init__(self, path: str, line: int, why: str) -> None:
        super().__init__(f"{path}:{line}: {why}. A bundle holds no Python that cannot be run.")
        #: Relative to the site's folder.
        self.path = path
        #: Counted from 1.
        self.line = line
