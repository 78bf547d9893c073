"""Several hosts' rehearsals: as few as will do, side by side."""

from __future__ import annotations

import os
import threading
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
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        plays: dict[Future[Played], list[Host]] = {
            pool.submit(play, folder, alike[0], part, patience, deadline, stop): alike for part, alike in casts.items()
        }
        try:
            for ended in as_completed(plays):
                for host in plays[ended]:
                    found[host.name] = judge(host, ended.result(), patience)
                    done(host)
        except BaseException:  # Ctrl+C, or a host that cannot be played: the others' processes end as well
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {host.name: found[host.name] for host in hosts}
