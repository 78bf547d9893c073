"""The site as a host would start it, and what it does there that the host does not allow.

    findings = rehearse("/srv/site", hosts.find("heroku"))

A copy of the site is started in a process of its own, with the host's environment and a database of the rehearsal's,
and its routes are visited. Nothing of the user's own is written, and no other server is asked anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts import Host


def rehearse(
    root: str | os.PathLike[str], host: Host, *, patience: float = 10.0, deadline: float = 60.0
) -> list[Finding]:
    """What is wrong with the site in the folder `root` on `host`, by file and line; nothing is, if the list is empty.
    The codes are R401 and so on, as `codes.CODES` explains them.

    :param patience: seconds that a visit may take before it is given up.
    :param deadline: seconds that all of it may take. What has not been visited by then is a finding (R415).
    :raises RehearsalError: the rehearsal itself cannot be held: the machine does not let it.
    """
    return rehearse_all(root, [host], patience=patience, deadline=deadline)[host.name]


def rehearse_all(
    root: str | os.PathLike[str],
    hosts: Iterable[Host],
    *,
    patience: float = 10.0,
    deadline: float = 60.0,
    done: Callable[[Host], None] = lambda host: None,
) -> dict[str, list[Finding]]:
    """As `rehearse`, for several hosts, by their names. Hosts that allow the same share a process, and as many run side
    by side as there are cores.

    :param done: called after each host, for a bar.
    """
    from demijohn.rehearsal.season import play_all

    return play_all(os.path.abspath(root), list(hosts), patience, deadline, done)
