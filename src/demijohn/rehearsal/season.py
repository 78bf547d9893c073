"""Several hosts' rehearsals: as few as will do, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from demijohn.errors import DemijohnError
from demijohn.findings import Finding
from demijohn.hosts import Host
from demijohn.rehearsal.judge import judge
from demijohn.rehearsal.stage import Cast, Played, cast, play, vocabulary


def play_all(
    root: str, hosts: Sequence[Host], patience: float, deadline: float, done: Callable[[Host], None]
) -> dict[str, list[Finding]]:
    """As `rehearse_all` says."""
    folder = Path(root)
    if not folder.is_dir():
        raise DemijohnError(f"There is no folder {root} with a site to rehearse.")
    words = vocabulary(folder)
    casts: dict[Cast, list[Host]] = {}
    for host in hosts:
        casts.setdefault(cast(folder, host, words), []).append(host)
    found: dict[str, list[Finding]] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        plays: dict[Future[Played], list[Host]] = {
            pool.submit(play, folder, alike[0], part, patience, deadline): alike for part, alike in casts.items()
        }
        for ended in as_completed(plays):
            for host in plays[ended]:
                found[host.name] = judge(host, ended.result(), patience)
                done(host)
    return {host.name: found[host.name] for host in hosts}
