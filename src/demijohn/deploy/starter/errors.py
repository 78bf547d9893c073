"""Why a new site could not be made."""

from __future__ import annotations

from pathlib import Path

from demijohn.deploy.errors import DeployError


class NewSiteError(DeployError):
    """A new site could not be made. Nothing of it is left."""


class SiteNameError(NewSiteError):
    """A site cannot be called that."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"A site cannot be called {name!r}: {why} Take a name such as shop, my-shop or Café; the folder can be "
            "renamed afterwards."
        )
        #: The name.
        self.name = name


class OccupiedError(NewSiteError):
    """Where the new site is to be, there is something."""

    def __init__(self, target: Path, what: str) -> None:
        super().__init__(f"{target} {what}. Nothing was written. Choose another name, or make room.")
        #: Where the site was to be.
        self.target = target


class NoStarterError(NewSiteError):
    """This installation of Demijohn has no site to copy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"This Demijohn has no site to make a copy of: there is none in {folder}. It was installed in part. "
            "Install it again: pip install --force-reinstall demijohn"
        )
        #: Where it was looked for.
        self.folder = folder
