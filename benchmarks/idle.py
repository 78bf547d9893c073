"""Connections that rest, and a MariaDB that hangs up on them after two seconds: Demijohn beside SQLAlchemy's own means,
each under gunicorn with a server of its own, asked the same by the same clients."""

from __future__ import annotations

import http.client
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from benchmarks.contestants import HERE
from benchmarks.services import TABLES
from tests.services import HOST, MariaDB, Service

CLIENTS = 20
PAUSE = 6.0  # seconds that a client waits at most
STEADY = 25  # requests of each client, without a pause


@dataclass(frozen=True)
class Policy:
    name: str
    module: str
    protection: str
    #: Whether it is also asked without pauses.
    steady: bool = True


POLICIES = (
    Policy("demijohn", "ours", "idle"),
    Policy("demijohn, unprotected", "ours", "none"),
    Policy("pool_pre_ping", "theirs", "pool_pre_ping"),
    Policy("pool_pre_ping, LIFO", "theirs", "pool_pre_ping and LIFO", steady=False),
    Policy("pool_recycle", "theirs", "pool_recycle", steady=False),
    Policy("no protection", "theirs", "none"),
)
#: What each steady client asks for, again and again. The glue has no sessions.
STEADILY = {
    "read": ("GET", "/read/{}"),
    "write": ("POST", "/write/{}"),
    "session-read": ("GET", "/session"),
    "session-write": ("POST", "/session"),
}


class Gunicorn(Service):
    """One worker with a thread for each client."""

    name = "gunicorn"

    def __init__(self, policy: Policy, url: str) -> None:
        self._policy = policy
        self._url = url
        super().__init__()

    def command(self) -> list[str]:
        variables = {
            "PROTECTION": self._policy.protection,
            "DATABASE_URL": self._url,
            "SECRET_KEY": "benchmarks-benchmarks-benchmarks-benchmarks",
        }
        server = [sys.executable, "-m", "gunicorn", "--worker-class=gthread", f"--threads={CLIENTS}"]
        place = [f"--chdir={HERE / 'sites' / 'idle'}", f"--bind={HOST}:{self.port}", "--log-level=error"]
        settings = [f"{name}={value}" for name, value in variables.items()]
        return ["env", *settings, *server, *place, f"{self._policy.module}:app"]

    def answers(self) -> bool:
        try:
            return Client(self.port).ask("GET", "/") == 200
        except OSError:
            return False


class Client:
    """One visitor, who keeps cookies and makes a connection for each request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str) -> int:
        """The answer's status; 0 for none at all."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        try:
            connection.request(method, path, headers={"Cookie": cookies} if cookies else {})
            answer = connection.getresponse()
            answer.read()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _, rest = cookie.partition("=")
                self._cookies[name] = rest.partition(";")[0]
            return answer.status
        except http.client.HTTPException:
            return 0
        finally:
            connection.close()


def measure(seconds: float) -> dict[str, Any]:
    """{"rests" and "steady": {policy: ...}} as `_rest` and `_steady` count. All policies rest at the same time."""
    with ThreadPoolExecutor(len(POLICIES)) as threads:
        rests = list(threads.map(lambda policy: _rest(policy, seconds), POLICIES))
    return {
        "seconds": seconds,
        "rests": {policy.name: counts for policy, counts in zip(POLICIES, rests, strict=True)},
        "steady": {policy.name: _steady(policy) for policy in POLICIES if policy.steady},
    }


def _rest(policy: Policy, seconds: float) -> dict[str, float]:
    """What MariaDB was asked by clients who pause, and how many answers were errors."""

    def visit(number: int) -> Iterator[tuple[str, str]]:
        random = Random(number)  # noqa: S311 - the same pauses for each policy
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(random.uniform(0, PAUSE))
            key = random.randint(1, 10_000)
            yield ("POST", f"/write/{key}") if random.random() < 0.25 else ("GET", f"/read/{key}")

    with _running(policy, "--wait-timeout=2") as (mariadb, crowd):
        return _count(mariadb, lambda: crowd.go(visit))


def _steady(policy: Policy) -> dict[str, dict[str, float]]:
    """The same of clients who do not pause, for each of what they ask."""

    def visit(method: str, path: str, number: int) -> Iterator[tuple[str, str]]:
        for turn in range(STEADY):
            yield method, path.format(1 + number * STEADY + turn)

    asked = {what: of for what, of in STEADILY.items() if policy.module == "ours" or not what.startswith("session")}
    with _running(policy) as (mariadb, crowd):
        return {what: _count(mariadb, partial(crowd.go, partial(visit, *of))) for what, of in asked.items()}


def _count(mariadb: MariaDB, go: Callable[[], Counter[int]]) -> dict[str, float]:
    pings = _pings(mariadb)
    with mariadb.statements() as seen:
        statuses = go()
    pings = _pings(mariadb) - pings
    requests = statuses.total()
    return {
        "requests": requests,
        "errors": requests - statuses[200],
        "connects": seen.connections,
        "pings": pings,
        "trips": (len(seen) + seen.connections + pings) / requests,
    }


def _pings(mariadb: MariaDB) -> int:
    """How many there have been. The general log leaves them out."""
    ((_, number),) = mariadb.execute("SHOW GLOBAL STATUS LIKE 'Com_admin_commands'")
    return int(number)


class Crowd:
    """Clients who have all been there once, at the same moment: the pool holds a connection for each."""

    def __init__(self, port: int) -> None:
        self._clients = [Client(port) for _ in range(CLIENTS)]
        assert self.go(lambda _number: iter([("GET", "/slow"), ("POST", "/session")]))[200] >= CLIENTS

    def go(self, visit: Callable[[int], Iterator[tuple[str, str]]]) -> Counter[int]:
        """Have each client ask what `visit` has for its number. How many answers had each status."""

        def ask(number: int, client: Client) -> list[int]:
            return [client.ask(method, path) for method, path in visit(number)]

        with ThreadPoolExecutor(CLIENTS) as threads:
            answers = threads.map(ask, range(CLIENTS), self._clients)
            return Counter(status for statuses in answers for status in statuses)


@contextmanager
def _running(policy: Policy, *options: str) -> Iterator[tuple[MariaDB, Crowd]]:
    with MariaDB(*options) as mariadb:
        url = mariadb.create("bench") + "?charset=utf8mb4"
        for statement in TABLES:
            mariadb.execute(statement)
        with Gunicorn(policy, url) as gunicorn:
            yield mariadb, Crowd(gunicorn.port)
