"""`demijohn sessions clean`: deletes the sessions that nobody can use any more, once or again and again. The switches
are those of web2py's sessions2trash.py."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from demijohn.cli.progress import Progress
from demijohn.errors import StoreUnavailableError

if TYPE_CHECKING:
    from demijohn.sessions.stores.base import Cleaning

#: Seconds between two cycles.
SLEEP = 300
#: No session ends later, seconds since the epoch.
_ALL = 2**62
#: Why there is nothing to clean in the stores that end sessions by themselves.
_WHY = {
    "memcached": "memcached forgets a session by itself when its time is over",
    "redis": "Redis deletes a session by itself when its time is over",
    "cookie": "each session lies with its visitor, in the cookie",
    "memory": "the sessions are in the memory of the site's process, and end with it",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--once", action="store_true", help="delete, and end; else again and again, until Ctrl+C")
    parser.add_argument(
        "-s", "--sleep", type=seconds(1), default=SLEEP, metavar="SECONDS", help=f"between two cycles; else {SLEEP}"
    )
    parser.add_argument(
        "-x",
        "--expiration",
        type=seconds(0),
        metavar="SECONDS",
        help="with --force: how long a session must have been unused; else session.timeout. 0: all sessions",
    )
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="delete those too that have not been used for --expiration, though their time is not over",
    )
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="print each batch; twice: also which time counts"
    )


def seconds(least: int) -> Callable[[str], int]:
    """Reads a number of seconds, such as `600` or `10m`."""
    from demijohn.config import kinds

    def read(text: str) -> int:
        if text == "0" and least == 0:
            return 0
        try:
            return kinds.seconds(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {kinds.SECONDS.says}") from None

    return read


def run(args: argparse.Namespace, store: Any, timeout: int) -> int:
    """:param timeout: seconds that a session lives unused.
    :raises StoreUnavailableError: the store is not answering, and there is only this one time.
    """
    from demijohn.sessions.stores.base import Cleaning

    if args.expiration is not None and not args.force:
        print("Note: --expiration has no effect without --force. Each session has an end of its own.", file=sys.stderr)
    if not isinstance(store, Cleaning):
        print(f"Nothing to clean: {_WHY.get(store.name, f'{store.name} ends sessions by itself')}.")
        return 0
    stop = None if args.once else _Stop()
    if stop is not None:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print(f"Cleaning every {args.sleep:,} s (Ctrl+C stops).", flush=True)
    while True:
        try:
            _clean(store, args, timeout, stop)
        except StoreUnavailableError as error:
            if stop is None:
                raise
            print(f"{' '.join(str(error).split())}. Next try in {args.sleep:,} s.", file=sys.stderr, flush=True)
        if stop is None or stop.wait(args.sleep):
            return 0


def bound(now: float, timeout: int, expiration: int | None) -> float:
    """Sessions that end before this time are deleted, seconds since the epoch.

    A session's last use is not written down, only its end: the timeout after a use, but moved on once in a tenth of the
    timeout only. So the last use is known to that tenth; whoever may have used the session since is left alone.

    :param expiration: seconds that a session must have been unused; None: its own end counts.
    """
    from demijohn.sessions.kept import TOUCHES

    if expiration is None:
        return now
    if expiration == 0:
        return _ALL
    # What is over nobody can use any more, however lately they did.
    return max(now, now - expiration + timeout - max(timeout / TOUCHES, 1))


def _clean(store: Cleaning, args: argparse.Namespace, timeout: int, stop: _Stop | None) -> None:
    """One cycle. Prints what it has deleted, also when it is broken off."""
    expiration = None
    if args.force:
        expiration = timeout if args.expiration is None else args.expiration
    before = bound(time.time(), timeout, expiration)
    if args.verbose > 1:
        print(
            f"Deleting the sessions that end before {moment(before)}." if before < 2**62 else "Deleting all sessions."
        )
    deleted = 0
    try:
        with Progress(lambda: store.over(before), "sessions") as progress:
            since = time.perf_counter()
            for count in store.clean(before):
                deleted += count
                progress.advance(count)
                if args.verbose:
                    progress.say(f"Deleted a batch of {count:,} in {time.perf_counter() - since:.3f} s.")
                since = time.perf_counter()
                if stop is not None and stop.asked:
                    break
    except StoreUnavailableError:
        if deleted:
            print(_summary(deleted, expiration), flush=True)
        raise
    print(_summary(deleted, expiration), flush=True)


def _summary(deleted: int, expiration: int | None) -> str:
    if not deleted:
        return "Nothing to delete."
    sessions = number(deleted, "session")
    if expiration is None:
        return f"Deleted {sessions} whose time was over."
    if expiration == 0:
        return f"Deleted {sessions}."
    return f"Deleted {sessions} whose time was over or which had not been used for {expiration:,} s."


def number(count: int, noun: str) -> str:
    """`1 session`, `1,234 sessions`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def moment(when: float) -> str:
    """A time of day here, with its distance from UTC. `when`: seconds since the epoch."""
    from datetime import datetime

    return datetime.fromtimestamp(when).astimezone().isoformat(" ", "seconds")


class _Stop:
    """A signal ends the wait at once, and a cycle after its batch. A second one ends that, too: the server may hang."""

    def __init__(self) -> None:
        self.asked = False
        self._waiting = False

    def __call__(self, _signal: int, _frame: Any) -> None:
        if self.asked or self._waiting:
            raise KeyboardInterrupt
        self.asked = True

    def wait(self, seconds: float) -> bool:
        """Wait. Whether a signal has come, then or before."""
        try:
            self._waiting = True
            if not self.asked:
                time.sleep(seconds)
            self._waiting = False
        except KeyboardInterrupt:
            return True
        return self.asked
