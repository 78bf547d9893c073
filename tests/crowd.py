"""`python -m tests.crowd`: some processes of a crowd that reads and writes sessions, each of which says whose it is.
Takes an `Errand` as JSON from stdin, and prints a list of `Report`s as JSON.

More than one process are forks of this one, which has used its connections before and goes on using them.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from random import Random
from typing import Any

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.sessions import Sessions
from demijohn.sessions.session import Session
from demijohn.sessions.stores.cached import CachedSqlStore
from demijohn.sessions.stores.memcached import MemcachedStore
from demijohn.sessions.stores.sql import SqlStore

SECRET = "a secret of the tests"
PROCESSES, THREADS, SESSIONS = 8, 8, 400
#: Sessions of each process that no other uses, and whose ids it changes.
_OWN = 25
SHARED = SESSIONS - PROCESSES * _OWN
#: Seconds in which any answer must have come: the machine is as busy as can be.
_PATIENCE = 5
#: Wrongs after which a thread gives up.
_ENOUGH = 5


@dataclass
class Errand:
    memcached: str
    client: str
    #: None: the sessions are in memcached alone.
    database: str | None
    #: The numbers of these processes.
    processes: list[int]
    #: Of each thread.
    operations: int
    #: Of the session of each number.
    cookies: list[str]


@dataclass
class Report:
    """What one process has done and seen."""

    reads: int = 0
    touches: int = 0
    rotations: int = 0
    #: Under the name of each thread, how often it has counted.
    counted: dict[str, int] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    #: The cookies of its own sessions.
    cookies: dict[int, str] = field(default_factory=dict)


class Place:
    """The sessions, as one process has them."""

    def __init__(self, memcached: str, client: str, database: str | None) -> None:
        self.pool = Memcached([memcached], client=client, timeout=_PATIENCE * 1000)
        self.db = None if database is None else Database(database)
        self.store: Any = MemcachedStore(self.pool)
        if self.db is not None:
            self.store = CachedSqlStore(SqlStore(self.db.alone, self.db.metadata), self.pool)
        self.sessions = Sessions({"secret": SECRET}, store=self.store)
        self._key = self.sessions.options.cookie.key

    def open(self, cookie: str) -> Session:
        """The session as a request finds it that comes with this cookie."""
        return self.sessions.load(f"{self._key}={cookie}")

    def end(self, session: Session) -> str | None:
        """End the request. The cookie that is sent with the answer."""
        headers: list[tuple[str, str]] = []
        session.lent = True
        session.settle("http", headers)
        cookies = [value for name, value in headers if name == "Set-Cookie"]
        return cookies[0].partition(";")[0].partition("=")[2] if cookies else None

    def begin(self, number: int) -> str:
        """A new session, whose values all say whose it is. Its cookie."""
        session = self.open("")
        session.login(number)
        session.update(_marks(number))
        cookie = self.end(session)
        assert cookie is not None
        return cookie

    def close(self) -> None:
        self.pool.close()
        if self.db is not None:
            self.db.close()


def _marks(number: int) -> dict[str, Any]:
    return {"number": number, "name": f"visitor {number}", "long": f"{number} " * (number % 90 + 1)}


def wrong(session: Session, number: int) -> str | None:
    """What is wrong with the session of this number."""
    if session.unavailable is not None:
        return f"{number}: {session.unavailable}"
    if session.user != number or not _marks(number).items() <= session.items():
        return f"{number} was given {dict(session)!r}"
    return None


class Worker:
    """One process."""

    def __init__(self, place: Place, errand: Errand, process: int) -> None:
        self._place = place
        self._operations = errand.operations
        self._process = process
        self._cookies = errand.cookies
        own = range(SHARED + process * _OWN, SHARED + (process + 1) * _OWN)
        self._locks = {number: threading.Lock() for number in own}
        self.report = Report()
        self._counting = threading.Lock()

    def work(self) -> Report:
        threads = [threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.report.cookies = {number: self._cookies[number] for number in self._locks}
        return self.report

    def _run(self, thread: int) -> None:
        name = f"{self._process}.{thread}"
        random = Random(name)  # noqa: S311
        mine = Report(counted={name: 0})
        try:
            for _ in range(self._operations):
                if len(mine.wrongs) >= _ENOUGH:
                    break
                if random.random() < 0.1:
                    number = random.choice(list(self._locks))
                    with self._locks[number]:
                        self._do(random.choice((self._read, self._count, self._rotate)), number, name, mine)
                else:
                    do = random.choices((self._read, self._count, self._touch), (6, 3, 1))[0]
                    self._do(do, random.randrange(SHARED), name, mine)
        except Exception as error:
            mine.wrongs.append(f"{type(error).__name__}: {error}")
        with self._counting:
            whole = self.report
            whole.reads += mine.reads
            whole.touches += mine.touches
            whole.rotations += mine.rotations
            whole.counted.update(mine.counted)
            whole.wrongs += mine.wrongs

    def _do(self, what: Any, number: int, name: str, mine: Report) -> None:
        session = self._place.open(self._cookies[number])
        found = wrong(session, number)
        if found is not None:
            mine.wrongs.append(found)
        else:
            what(session, number, name, mine)

    def _read(self, session: Session, number: int, name: str, mine: Report) -> None:
        mine.reads += 1

    def _count(self, session: Session, number: int, name: str, mine: Report) -> None:
        session[name] = session.get(name, 0) + 1
        self._place.end(session)
        mine.counted[name] += 1
        found = wrong(session, number)  # others' changes have come in
        if found is not None:
            mine.wrongs.append(found)

    def _touch(self, session: Session, number: int, name: str, mine: Report) -> None:
        store = self._place.store
        record = store.read(session.id)
        store.touch(session.id, record, 3600)
        mine.touches += 1

    def _rotate(self, session: Session, number: int, name: str, mine: Report) -> None:
        old = self._cookies[number]
        session.regenerate_id()
        cookie = self._place.end(session)
        if cookie is None or not self._place.open(old).is_new:
            mine.wrongs.append(f"{number} lives on under its old id")
            return
        self._cookies[number] = cookie
        mine.rotations += 1


def _forked(process: int) -> Report:
    return Worker(_here[0], _here[1], process).work()


_here: tuple[Place, Errand]


def _parent(place: Place, errand: Errand) -> list[Report]:
    """Fork, and go on reading meanwhile."""

    wrongs: list[str] = []

    def read() -> None:
        try:
            for number in range(0, SHARED, 20):
                found = wrong(place.open(errand.cookies[number]), number)
                if found is not None:
                    wrongs.append(found)
        except Exception as error:
            wrongs.append(f"{type(error).__name__}: {error}")

    readers = [threading.Thread(target=read) for _ in range(THREADS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    with ProcessPoolExecutor(len(errand.processes), mp_context=get_context("fork")) as forks:
        waiting = [forks.submit(_forked, process) for process in errand.processes]
        while wait(waiting, timeout=0.05).not_done:
            read()
    reports = [done.result() for done in waiting if done.exception() is None]
    wrongs += [f"A process has died: {done.exception()}" for done in waiting if done.exception() is not None]
    return [*reports, Report(wrongs=wrongs)]


if __name__ == "__main__":
    errand = Errand(**json.load(sys.stdin))
    place = Place(errand.memcached, errand.client, errand.database)
    _here = place, errand
    reports = _parent(place, errand) if len(errand.processes) > 1 else [_forked(errand.processes[0])]
    json.dump([asdict(report) for report in reports], sys.stdout)
    place.close()
