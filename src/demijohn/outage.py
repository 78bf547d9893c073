"""A server that does not answer is asked seldom, and by one caller at a time; and the log hears of it once a minute."""

from __future__ import annotations

import logging
import threading
import time

from demijohn.forks import in_child, new_lock

#: Seconds after a failure in which the server is not asked; then one caller finds out whether it is back.
PAUSE = 1.0
#: Seconds between two warnings of one server.
WARNED = 60.0


class Outage:
    """Whether a server may be asked, shared by all who ask it; safe across threads and forks.

    ```python
    outage = Outage("Redis at 127.0.0.1:6379", log)

    if outage.down and not outage.may_ask():
        raise StoreUnavailableError("redis", "it failed a moment ago")
    try:
        answer = ask()
    except (ConnectionError, TimeoutError) as error:
        outage.failed(error)
        raise StoreUnavailableError("redis", error) from error
    if outage.down:
        outage.over()
    ```

    While all is well this costs the two looks at `down`. An answer that is an error, but came from the server, is no
    outage: tell `over`. Who may ask and then tells nothing, because something else broke, only loses its turn: `PAUSE`
    seconds later it is somebody else's.

    :param what: the server's name in the log, at the start of a sentence.
    :param log: where it is told: a warning once a minute while it is down, and one more when it is back.
    :param pause: seconds after a failure in which the server is not asked; None: `PAUSE`.
    """

    def __init__(self, what: str, log: logging.Logger, pause: float | None = None) -> None:
        self.pause = PAUSE if pause is None else pause
        #: Whether the last answer that was waited for did not come.
        self.down = False
        #: The server's name.
        self.what = what
        self._log = log
        self._next = 0.0  # when somebody may ask again
        self._warned_at = -WARNED
        self._warned = False  # of this outage
        self._lock = threading.Lock()  # held for a few assignments; never while anyone asks or writes to the log
        in_child(self, new_lock("_lock"))

    def may_ask(self) -> bool:
        """True when all is well, or when it is up to this caller to find out whether the server is back."""
        if not self.down:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return False
            self._next = now + self.pause
            return True

    def failed(self, error: BaseException | str) -> None:
        """The server did not answer. Only the text of `error` is used."""
        with self._lock:
            now = time.monotonic()
            self.down = True
            self._next = now + self.pause
            warn = now - self._warned_at >= WARNED
            if warn:
                self._warned_at = now
                self._warned = True
        if warn:
            self._log.warning("%s is not answering: %s (said once a minute)", self.what, error)

    def over(self) -> None:
        """The server answered."""
        with self._lock:
            tell = self._warned
            self.down = self._warned = False
        if tell:
            self._log.warning("%s is answering again", self.what)
