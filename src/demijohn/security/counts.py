"""Counts that all copies of the site share; while what keeps them is down, each process counts for itself.

A visitor must not be locked out because memcached is, and a guesser not let in: the limits go on, per process, and the
log says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from demijohn.security.proxies import HIDDEN
from demijohn.shared import SharedDownError

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

    from demijohn.shared import Shared

T = TypeVar("T")
log = logging.getLogger("demijohn.security")


class Counts:
    """:param shared: what the copies share, or what opens it at the first use."""

    def __init__(self, shared: Shared | Callable[[], Shared]) -> None:
        self._shared = shared
        self._own: Shared | None = None
        self._told = -60.0

    def do(self, act: Callable[[Shared], T]) -> T:
        """What `act` returns of the store, or of this process's memory where the store is not answering."""
        try:
            if callable(self._shared):
                self._shared = self._shared()
            return act(self._shared)
        except SharedDownError as error:
            self._tell(error)
        if self._own is None:
            from demijohn.shared.memory import MemoryShared

            self._own = MemoryShared()
        return act(self._own)

    def in_window(self, key: str, seconds: int, by: int = 1) -> tuple[int, int]:
        """Raise the count of the present window by `by`. How far it has come, and the whole seconds that the window has
        yet. All copies of the site have the same windows, by the clock."""
        now = int(time.time())
        window, gone = divmod(now, seconds)
        count = self.do(lambda shared: shared.count(f"{key} {window}", seconds, by))
        return count, seconds - gone

    def _tell(self, error: SharedDownError) -> None:
        now = time.monotonic()
        if now - self._told >= 60:
            self._told = now
            log.warning("%s. Until it does, each process counts attempts for itself. (said once a minute)", error)


def address(environ: WSGIEnvironment, local: bool = False) -> str | None:
    """Who is asking, as far as an address tells: an IPv4 address, or the /64 network of an IPv6 address, which is what
    one household or one server gets. None where it does not tell, and all the world would be one visitor: a unix
    socket, or the address of a proxy that is not trusted.

    :param local: this machine is a visitor, too. Otherwise it is taken for such a proxy.
    """
    from ipaddress import IPv6Address, ip_address

    try:
        found = ip_address(environ.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    # Who comes from afar may say that they are a proxy as often as they like.
    if (found.is_loopback and not local) or (HIDDEN in environ and found.is_private):
        return None
    return f"{IPv6Address(int(found) >> 64 << 64)}/64" if isinstance(found, IPv6Address) else str(found)
