"""What a host's profile is told of a site, to write the files that the host wants."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Plan(NamedTuple):
    """A site that is to be on a host. Plain values, so that a third party's profile depends on nothing else."""

    #: The site's folder, absolute.
    root: Path
    #: The site's name: letters, digits and hyphens, at most 30.
    name: str = "site"
    #: The Python that it is to run on: `3.13`.
    python: str = "3.13"
    #: The address and the folder of the static files: `/static`, `static`.
    static_url: str = "/static"
    static_path: str = "static"
    #: Static files that are also served at the root: `robots.txt`.
    at_root: tuple[str, ...] = ()
    #: Whether the site has a database, and whether migrations/ holds any.
    database: bool = True
    migrations: bool = False
    #: Processes and threads of each; as config.yaml says, or what suits the host.
    workers: int = 2
    threads: int = 8
    #: Bytes of the largest body that any route takes: `body.limit`, or a `body_limit` above it.
    body_limit: int = 4 * 1024**2
    #: What calls the command line on the host, in a shell: `demijohn` where it is installed.
    demijohn: str = "demijohn"
    #: The user at a host whose addresses and folders are named after the user.
    user: str = "USER"

    @property
    def release(self) -> str:
        """The command that makes the database ready for this release; empty for a site without a database."""
        if not self.database:
            return ""
        return f"{self.demijohn} db {'upgrade' if self.migrations else 'create'}"
