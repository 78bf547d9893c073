"""Which of several servers keeps a key: the same in every process, and, when a server is added or goes, for most keys
the same as before."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from hashlib import blake2b

#: Of each server. With 160 the fullest of a few servers has about a tenth more than its share.
POINTS = 160


class Ring:
    """Servers on a circle, each at many points; a key belongs to the next point. The order in which the servers are
    named does not matter, but their spelling does: `localhost:11211` and `127.0.0.1:11211` have different points."""

    def __init__(self, servers: Sequence[str]) -> None:
        circle = sorted(
            (_place(f"{server}#{number}".encode()), server) for server in servers for number in range(POINTS)
        )
        self._places = [place for place, _ in circle]
        self._servers = [server for _, server in circle]

    def server_of(self, key: bytes) -> str:
        """The server that keeps `key`."""
        return self._servers[bisect(self._places, _place(key)) % len(self._servers)]


def _place(name: bytes) -> bytes:
    return blake2b(name, digest_size=8).digest()
