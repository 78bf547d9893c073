"""`python -m tests.counting STORE URL TIMES`: one of several processes that count the same. Waits for a line on stdin,
so that all begin together, and prints what each count came to."""

from __future__ import annotations

import json
import sys

from demijohn.database import Database
from demijohn.memcached import Memcached
from demijohn.shared.base import Shared
from demijohn.shared.memcached import MemcachedShared
from demijohn.shared.sql import SqlShared

KEY = "what all of them count"


def opened(store: str, url: str) -> Shared:
    if store == "memcached":
        return MemcachedShared(Memcached([url], timeout=4000))  # milliseconds; the machine may be loaded
    database = Database(url)
    return SqlShared(database.alone, database.metadata, database.redo)


def main() -> None:
    store, url, times = sys.argv[1:]
    shared = opened(store, url)
    shared.counted(KEY)
    print("ready", flush=True)
    sys.stdin.readline()
    firsts = sum(shared.add(f"who is first {number}", b"", 60) for number in range(20))
    print(json.dumps([[shared.count(KEY, 60) for _ in range(int(times))], firsts]))


if __name__ == "__main__":
    main()
