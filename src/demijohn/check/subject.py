"""What a check is told, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from demijohn.check.boot import Boot
from demijohn.check.folder import Folder
from demijohn.check.reading import Reading
from demijohn.findings import Finding
from demijohn.hosts import Host, Plan


class Subject(NamedTuple):
    """A site, and the host that it is to be on."""

    folder: Folder
    #: The Python that is run at boot.
    boot: Boot
    host: Host
    plan: Plan
    settings: Reading
    #: Whether the host was named. Otherwise its files need not be there yet.
    named: bool


Check = Callable[[Subject], Iterator[Finding]]
