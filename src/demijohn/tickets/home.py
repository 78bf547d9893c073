"""Brings tickets home to the database: beside the site's own connections, seldom in a storm, and never for long.

There is no thread for it: it is done at the end of a request, when the request has given its connections back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from demijohn.forks import in_child
from demijohn.outage import Outage
from demijohn.tickets.waiting import Waiting

if TYPE_CHECKING:
    import sqlalchemy

    from demijohn.memcached import Memcached

#: Seconds that a request may be held up by this; what is not home by then goes with a later one.
PATIENCE = 1.0
#: How often it is done: so many times at once, and then so many times a second.
BURST, RATE = 20, 2.0
#: Seconds between two looks whether somebody has made the table meanwhile.
TABLE_PAUSE = 30.0
#: Seconds between two attempts, at the most, while the database is down.
LONGEST_PAUSE = 5.0
#: Seconds between two deletions of what is too old.
SWEEP = 24 * 3600.0
MAKE_IT = "demijohn db create, or demijohn db migrate and upgrade"
log = logging.getLogger("demijohn.tickets")


class Home:
    """:param engine: makes the engine, apart from the site's own; None: there is no database.
    :param memcached: the site's pool, or None where it has none.
    :param keep: seconds after its last time for which a ticket is kept.
    """

    def __init__(
        self,
        waiting: Waiting,
        engine: Callable[[], sqlalchemy.Engine] | None,
        memcached: Callable[[], Memcached | None],
        keep: float,
    ) -> None:
        self.waiting = waiting
        self._make_engine = engine
        self._engine: sqlalchemy.Engine | None = None
        self._memcached = memcached
        self._keep = keep
        self._busy = threading.Lock()  # whoever finds it taken leaves the work to who has it
        self._outage = Outage("The database, to which tickets of errors are to go,", log)
        self._left = float(BURST)
        self._counted = time.monotonic()
        self._spilled = 0.0
        self._look = True  # into memcached, where a process that is gone may have left something
        self._sweep_at = 0.0
        self._told_missing = False
        self._not_before = 0.0
        in_child(self, _renew)

    @property
    def engine(self) -> sqlalchemy.Engine:
        if self._engine is None:
            assert self._make_engine is not None
            self._engine = self._make_engine()
        return self._engine

    def bring(self, insist: bool = False) -> bool:
        """Bring home what waits, if it is time to. Raises nothing. Whether nothing waits any more.

        :param insist: it is time.
        """
        if not self.waiting.any:
            return True
        if not self._busy.acquire(blocking=False):
            return False
        try:
            if insist or (self._may() and (not self._outage.down or self._outage.may_ask())):
                self._bring()
        except Exception:
            log.exception("Tickets could not be brought home")
        finally:
            self._busy.release()
        return not self.waiting.any

    def _may(self) -> bool:
        now = time.monotonic()
        if now < self._not_before:
            return False
        self._left = min(float(BURST), self._left + (now - self._counted) * RATE)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _bring(self) -> None:
        if self._make_engine is None:
            self._spill()
            return
        from sqlalchemy import exc

        from demijohn.errors import DemijohnError
        from demijohn.tickets.table import TABLE, MissingTableError

        began = time.monotonic()
        try:
            with self.engine.connect() as connection:
                self._deliver(connection, began + PATIENCE)
        except MissingTableError:
            if not self._told_missing:
                self._told_missing = True
                log.warning(
                    "The table %s is missing, so tickets are kept in the log, and for a while in memory. Make it: %s",
                    TABLE,
                    MAKE_IT,
                )
            self._not_before = time.monotonic() + TABLE_PAUSE
        except (exc.SQLAlchemyError, DemijohnError, OSError) as error:
            # A server that lets every attempt take its time is asked more seldom.
            self._outage.pause = min(max(1.0, 10 * (time.monotonic() - began)), LONGEST_PAUSE)
            self._outage.failed(getattr(error, "orig", None) or error)
            self._look = True  # others may have put theirs there, and be gone
            self._spill()
        else:
            if self._outage.down:
                self._outage.over()

    def _deliver(self, connection: sqlalchemy.Connection, deadline: float) -> None:
        from demijohn.tickets import table

        waiting = self.waiting
        for record in waiting.records():
            if table.keep(connection, record, waiting.known):
                waiting.is_home(record["id"], record["series"], record["count"])
            else:
                waiting.begin_again(record["id"], record["series"])
            if time.monotonic() > deadline:
                return
        for record in waiting.records():  # those that have begun again
            if table.keep(connection, record):
                waiting.is_home(record["id"], record["series"], record["count"])
        if self._look and time.monotonic() < deadline:
            self._look = False
            self.collect(connection)
        if time.monotonic() > self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP
            table.forget(connection, before=time.time() - self._keep)

    def collect(self, connection: sqlalchemy.Connection) -> int:
        """Bring home what waits in memcached. Returns how many records there were."""
        from demijohn.errors import MemcachedDownError
        from demijohn.tickets import spill, table

        cache = self._memcached()
        if cache is None:
            return 0
        try:
            records, token = spill.look(cache)
            for record in records:
                table.keep(connection, record)
            if records:
                spill.remove(cache, token)
        except MemcachedDownError as error:
            log.debug("%s", error)
            return 0
        return len(records)

    def _spill(self) -> None:
        """Put what waits into memcached, if there is one, once a second at most. It goes on waiting here, too."""
        now = time.monotonic()
        if now - self._spilled < 1 and self._make_engine is not None:
            return
        self._spilled = now
        cache = self._memcached()
        if cache is None:
            return
        from demijohn.tickets import spill

        records = self.waiting.records()
        if spill.quietly(cache, records) and self._make_engine is None:  # there is no other home
            for record in records:
                self.waiting.is_home(record["id"], record["series"], record["count"])

    def leave(self) -> None:
        """The process is about to end."""
        if not self.waiting.any:
            return
        if not self.bring(insist=True):
            self._spilled = 0.0
            self._spill()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


def _renew(home: Home) -> None:
    home._busy = threading.Lock()
    home._engine = None
