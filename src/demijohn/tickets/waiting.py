"""What a process knows of its own errors: how often each has happened, and what of it the database does not know yet.

A process counts each of its tickets in a series of its own, from one on, and tells others the count, never a
difference. Told twice, or by a connection that was cut before the answer came, it is still the same count; what a log
says of it adds nothing to what is in the database already.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from demijohn.forks import in_child, renew

#: Tickets that wait in the memory of a process; of more, only the log hears.
MOST = 200
#: Times that each is kept with its traceback and its request: the first and then the last ones.
SAMPLES = 3
#: Seconds between two of those.
APART = 1.0
#: What is told of an error at the first time: its type, its text and its place.
Name = dict[str, str]


class Series:
    """One ticket in one process."""

    __slots__ = ("count", "first", "home", "id", "last", "name", "sampled", "samples", "token")

    def __init__(self, id: str, name: Name, now: float) -> None:
        self.id = id
        self.name = name
        self.token = secrets.token_hex(6)
        self.count = 0
        #: The count that the database has.
        self.home = 0
        self.first = self.last = now
        self.sampled = 0.0
        self.samples: list[dict[str, Any]] = []

    def record(self) -> dict[str, Any]:
        """All of it, as it travels."""
        return {
            "series": self.token,
            "id": self.id,
            **self.name,
            "count": self.count,
            "first": int(self.first),
            "last": int(self.last),
            "samples": list(self.samples),
        }


class Told(dict[str, Any]):
    """What the log is told of an error: its ticket, which time of its series this is, and perhaps a sample."""


class Waiting:
    """The series of this process. Safe across threads and forks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for a few assignments
        self._series: dict[str, Series] = {}
        #: Whether there is anything that the database does not know.
        self.any = False
        in_child(self, _start_anew)  # the parent brings its own home

    def add(self, id: str, name: Callable[[], Name], sample: Callable[[], dict[str, Any]]) -> Told:
        """Count one. Returns what the log is to be told, with `sample()` in it, where it is to be kept."""
        renew()
        now = time.time()
        there = self._series.get(id)
        # Outside of the lock: these ask the error's own code, and take a millisecond.
        named = name() if there is None else there.name
        with self._lock:
            series = self._find(id, named, now)
            if series is not None:
                told, wanted = self._count(series, now)
        if series is None:
            return Told(id=id, series=secrets.token_hex(6), count=1, **named, at=now, sample=sample())
        if wanted:
            told["sample"] = {"time": int(now), **sample()}
            with self._lock:
                series.samples.append(told["sample"])
                del series.samples[1 : len(series.samples) - SAMPLES + 1]
        return told

    def _count(self, series: Series, now: float) -> tuple[Told, bool]:
        """What the log is to be told, and whether with a sample."""
        series.count += 1
        series.last = now
        self.any = True
        wanted = len(series.samples) < SAMPLES or abs(now - series.sampled) >= APART
        if wanted:
            series.sampled = now
        return Told(id=series.id, series=series.token, count=series.count, **series.name, at=now), wanted

    def _find(self, id: str, name: Name, now: float) -> Series | None:
        """The series of this ticket; None where there are too many."""
        series = self._series.get(id)
        if series is None:
            if len(self._series) >= MOST:
                self._series = {key: one for key, one in self._series.items() if one.home < one.count}
                if len(self._series) >= MOST:
                    return None
            series = self._series[id] = Series(id, name, now)
        return series

    def records(self) -> list[dict[str, Any]]:
        """Those that the database does not know."""
        with self._lock:
            return [series.record() for series in self._series.values() if series.home < series.count]

    def known(self, id: str, token: str) -> int:
        """The count that the database had been told of this series; 0: nothing."""
        with self._lock:
            series = self._series.get(id)
            return series.home if series is not None and series.token == token else 0

    def is_home(self, id: str, token: str, count: int) -> None:
        """The database has it now."""
        with self._lock:
            series = self._series.get(id)
            if series is not None and series.token == token:
                series.home = max(series.home, count)
            self.any = any(one.home < one.count for one in self._series.values())

    def begin_again(self, id: str, token: str) -> None:
        """Somebody has deleted it from the database: from now on a new series counts what came since."""
        with self._lock:
            series = self._series.get(id)
            if series is not None and series.token == token:
                series.token = secrets.token_hex(6)
                series.count -= series.home
                series.home = 0
                series.first = series.last
                series.samples = series.samples[-1:]


def _start_anew(waiting: Waiting) -> None:
    waiting._lock = threading.Lock()
    waiting._series = {}
    waiting.any = False
