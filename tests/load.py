"""Many visitors at once, each of whom knows what their session must hold."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.services import HOST

#: Seconds in which any answer must have come.
_PATIENCE = 30


class Answer(NamedTuple):
    status: int
    cookies: list[str]
    body: bytes


class Web:
    """Asks a server, with a new connection for each request: any of its processes may get it, and what a server does to
    a connection at rest leaves no doubt whether a request was answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        #: How many requests were answered with each status.
        self.statuses: Counter[int] = Counter()
        #: The longest that an answer took, seconds. To be set to 0 where a new count is to begin.
        self.slowest = 0.0

    async def ask(self, method: str, path: str, cookie: str | None) -> Answer:
        began = time.monotonic()
        answer = _parse(await asyncio.wait_for(self._exchange(method, path, cookie), _PATIENCE))
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[answer.status] += 1
        return answer

    async def _exchange(self, method: str, path: str, cookie: str | None) -> bytes:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            carried = f"Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n" if cookie else ""
            fields = f"Host: localhost\r\nConnection: close\r\nContent-Length: 0\r\n{carried}"
            writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


def _parse(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin1").split("\r\n")
    fields = [line.partition(":") for line in lines]
    cookies = [value.strip() for name, _, value in fields if name.lower() == "set-cookie"]
    length = next((int(value) for name, _, value in fields if name.lower() == "content-length"), len(body))
    if len(body) < length:
        raise ValueError("The answer was cut short: its server was killed between the head and the body.")
    return Answer(int(status.split()[1]), cookies, body)


@dataclass
class Crowd:
    """All the visitors, and what went wrong with any of them."""

    web: Web
    #: Clicks that were acknowledged.
    clicks: int = 0
    #: Cookies of sessions that were ended, by sign-out or by a new sign-in.
    dead: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    leaving: bool = False

    async def clicked(self, more: int) -> None:
        """Wait until there have been so many clicks more."""
        goal = self.clicks + more
        while self.clicks < goal and not self.wrongs:
            await asyncio.sleep(0.01)

    async def replay(self, cookie: str, when: str) -> None:
        """Come with the cookie of a session that was ended."""
        answer = await self.web.ask("GET", "/", cookie)
        if answer.status != 200 or json.loads(answer.body) != {"user": None}:
            self.wrongs.append(f"an ended session, {when}: {answer.status} {answer.body!r}")


class Visitor:
    """Signs in, clicks, and now and then signs out and in again.

    :param user: the number of this visitor, by which everything that happens to them differs from the others'.
    """

    def __init__(self, crowd: Crowd, user: int) -> None:
        self._crowd = crowd
        self._user = user
        self._cookie: str | None = None
        self._must_hold: dict[str, Any] = {}
        self._steps = 0

    async def stay(self) -> None:
        """Click until the crowd leaves; then look once more."""
        await self._sign_in()
        while not self._crowd.leaving and not self._crowd.wrongs:
            self._steps += 1
            turn = self._steps + self._user
            if turn % 40 == 0:
                await self._sign_out()
                await self._sign_in()
            elif turn % 40 == 20:
                await self._sign_in()
            elif self._user % 4 == 0:
                await self._click("left", "right")
            else:
                await self._click("clicks")
            if turn % 10 == 0 and self._crowd.dead:
                await self._crowd.replay(self._crowd.dead[turn % len(self._crowd.dead)], "later")
        for _ in range(4):  # by all the processes, as chance has it
            await self._look()

    async def _sign_in(self) -> None:
        """A new id; what was in the session stays in it."""
        await self._end(f"/sign-in/{self._user}", {**self._must_hold, "user": self._user})

    async def _sign_out(self) -> None:
        await self._end("/sign-out", {"user": None})

    async def _end(self, path: str, must_hold: dict[str, Any]) -> None:
        old = self._cookie
        answered = await self._ask("POST", path)
        self._judge(path, answered == must_hold, must_hold, answered)
        self._must_hold = must_hold
        if old is not None:
            self._crowd.dead.append(old)
            await self._crowd.replay(old, f"at once after {path}")

    async def _click(self, *keys: str) -> None:
        """One request for each key, all at once."""
        counts = {key: self._must_hold.get(key, 0) + 1 for key in keys}
        answers = await asyncio.gather(*(self._ask("POST", f"/count/{key}") for key in keys))
        for key, answered in zip(keys, answers, strict=True):
            # What is counted at the same time may or may not be seen by now.
            others = {other: answered[other] for other in keys if other != key and other in answered}
            well = all(counts[other] - 1 <= count <= counts[other] for other, count in others.items())
            must_hold = {**self._must_hold, **others, key: counts[key]}
            self._judge(f"/count/{key}", well and answered == must_hold, must_hold, answered)
        self._must_hold.update(counts)
        self._crowd.clicks += len(keys)
        if len(keys) > 1:
            await self._look()

    async def _look(self) -> None:
        answered = await self._ask("GET", "/")
        self._judge("/", answered == self._must_hold, self._must_hold, answered)

    async def _ask(self, method: str, path: str) -> dict[str, Any]:
        answer = await self._crowd.web.ask(method, path, self._cookie)
        for cookie in answer.cookies:
            value, _, attributes = cookie.partition(";")
            self._cookie = None if "Max-Age=0" in attributes else value
        found: dict[str, Any] = json.loads(answer.body) if answer.status == 200 else {"status": answer.status}
        return found

    def _judge(self, path: str, well: bool, expected: dict[str, Any], answered: dict[str, Any]) -> None:
        if not well:
            self._crowd.wrongs.append(f"{path} of {self._user}: {expected} expected, {answered} came")


async def visited(crowd: Crowd, visitors: int, story: Callable[[Crowd], Awaitable[None]]) -> None:
    """Have so many visitors come and stay until `story` is told, and every ended session tried in the end."""
    staying = [asyncio.create_task(Visitor(crowd, number).stay()) for number in range(1, visitors + 1)]
    try:
        await story(crowd)
    finally:
        crowd.leaving = True
        await asyncio.gather(*staying)
    for cookie in crowd.dead:
        await crowd.replay(cookie, "in the end")
