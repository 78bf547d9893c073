"""Clients of `tests.apps.ledger` who write down what they were answered, while what the site stands on is killed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.load import Web

#: The words of an answer that promises that nothing was kept.
_PROMISE = b"nothing was changed"
#: Seconds that a client rests between two requests, on average.
_REST = 0.03
#: The same after one that was refused: a server that is down is not asked as fast as can be.
_PATIENCE = 0.15


@dataclass
class Ledger:
    """What all clients were answered."""

    web: Web
    #: Numbers of entries that were acknowledged.
    kept: list[int] = field(default_factory=list)
    #: Numbers of entries that were refused, with the promise that nothing was changed.
    refused: list[int] = field(default_factory=list)
    #: Numbers of entries of which nobody can tell: the answer did not come, or said that it is in doubt.
    unclear: list[int] = field(default_factory=list)
    #: When a request was sent, the status of its answer (0: none came), and whether it was a GET.
    answers: list[tuple[float, int, bool]] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    leaving: bool = False
    _numbers: int = 0

    async def client(self) -> None:
        own: list[int] = []
        while not self.leaving:
            if random.random() < 0.4:  # noqa: S311
                self._numbers += 1
                number = self._numbers
                status, body = await self._ask("POST", number)
                if status == 200:
                    self.kept.append(number)
                    own.append(number)
                elif status == 503 and _PROMISE in body:
                    self.refused.append(number)
                elif status in (0, 503):
                    self.unclear.append(number)
                else:
                    self.wrongs.append(f"POST {number}: {status}")
            else:
                number = random.choice(own) if own else 0  # noqa: S311
                status, body = await self._ask("GET", number)
                if status == 200 and body != (b"2" if number else b"0"):
                    self.wrongs.append(f"GET {number}: {body!r} lines")
                elif status not in (0, 200, 503):
                    self.wrongs.append(f"GET {number}: {status}")
            await asyncio.sleep(random.uniform(0, 2 * (_REST if status == 200 else _PATIENCE)))  # noqa: S311

    async def _ask(self, method: str, number: int) -> tuple[int, bytes]:
        began = time.monotonic()
        try:
            answer = await self.web.ask(method, f"/entries/{number}", None)
        except (OSError, asyncio.TimeoutError, ValueError, IndexError):  # cut, or cut short
            self.answers.append((began, 0, method == "GET"))
            return 0, b""
        self.answers.append((began, answer.status, method == "GET"))
        return answer.status, answer.body

    def statuses(self, begin: float = 0, end: float = float("inf"), gets: bool = True) -> Counter[int]:
        """How the requests were answered that were sent in this time."""
        return Counter(status for sent, status, get in self.answers if begin <= sent < end and (get or not gets))

    def first(self, since: float) -> float:
        """Seconds until the first request was sent that was answered 200."""
        return min(sent for sent, status, _ in self.answers if status == 200 and sent >= since) - since

    def judge(self, lines: Counter[int]) -> str:
        """Compare with how many lines of each number there are. Adds to `wrongs`; returns the figures."""
        lost = [number for number in self.kept if lines[number] == 0]
        doubled = [number for number, count in lines.items() if count > 2]
        half = [number for number, count in lines.items() if count not in (0, 2, 4)]
        broken = [number for number in self.refused if lines[number]]
        unclear = sum(lines[number] > 0 for number in self.unclear)
        for what, found in (("lost", lost), ("doubled", doubled), ("half done", half), ("promise broken", broken)):
            if found:
                self.wrongs.append(f"{len(found)} {what}: {found[:5]}")
        return (
            f"{len(self.answers)} requests {dict(self.statuses(gets=False))}; entries: {len(self.kept)} kept, "
            f"{len(self.refused)} refused, {len(self.unclear)} unclear ({unclear} of them there); "
            f"{len(lost)} lost, {len(doubled)} doubled, {len(half)} half done, {len(broken)} promises broken"
        )
