"""What will break on a host, found before the push.

    report = check("/srv/site", [hosts.find("heroku")])

The site is read, and not run; only the rehearsal starts it, in a process of its own. Nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demijohn.check.report import Report
    from demijohn.hosts import Host


def check(
    root: str | os.PathLike[str],
    hosts: Iterable[Host],
    *,
    named: bool = True,
    rehearsal: bool = True,
    ignore: Iterable[str] = (),
    done: Callable[[Host], None] = lambda host: None,
) -> Report:
    """What is wrong with the site in the folder `root` on each of these hosts.

    :param named: the site is meant for these hosts, so their files have to be there.
    :param rehearsal: start the site as each host would, and visit its routes.
    :param ignore: codes that are not to be reported.
    :param done: called after each host's rehearsal, for a bar.
    :raises RehearsalError: this machine lets nobody hold a rehearsal.
    """
    from demijohn.check.checks import read
    from demijohn.check.report import Report

    hosts = list(hosts)
    found = read(os.path.abspath(root), hosts, named)
    if rehearsal:
        from demijohn.check.together import join
        from demijohn.rehearsal import rehearse_all

        found = join(found, rehearse_all(root, hosts, done=done))
    left_out = frozenset(ignore)
    kept = {name: [finding for finding in findings if finding.code not in left_out] for name, findings in found.items()}
    return Report(hosts, kept)
