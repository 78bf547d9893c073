"""Bodies under waitress, which asks the site only when it has the whole of one: of up to 1 GB, beyond 512 kB in a
temporary file, however slowly it comes. Here it keeps them in memory, within what the site takes, and in time.

`Bodies` sees to it where waitress has been imported before the site, as `waitress-serve` and `python -m waitress` do.
"""

from __future__ import annotations

import io
import os
import time
from typing import Any
from weakref import WeakSet

from waitress import buffers, channel, utilities
from waitress.parser import HTTPRequestParser

from demijohn.bodies.limits import Limits, too_large
from demijohn.bodies.pace import too_slow
from demijohn.bodies.wire import EXTRAS, LINE

_BODIES: WeakSet[Any] = WeakSet()


def mend(bodies: Any) -> None:
    """Hold waitress, in this process, to what the apps of these `Bodies` take; of several the most."""
    _BODIES.add(bodies)
    channel.HTTPChannel.parser_class = Parser
    buffers.TempfileBasedBuffer.newfile = _memory_file


def _memory_file(_buffer: object) -> Any:
    """Of the kernel's memory, where there is such a thing: it does not make the process larger for good."""
    if not hasattr(os, "memfd_create"):
        return io.BytesIO()
    return os.fdopen(os.memfd_create("waitress"), "w+b")


class TooSlow(utilities.Error):
    code = 408
    reason = "Request Timeout"


class Parser(HTTPRequestParser):
    """Reads one request, and refuses it while it is being read."""

    error: Any
    completed: bool
    _limits: Limits | None = None
    _began = 0.0

    def received(self, data: bytes) -> int:
        try:
            consumed: int = super().received(data)
        except ValueError:  # of urllib and int(); waitress itself would hang up and log a traceback
            self.error = utilities.BadRequest("The request line or the Content-Length makes no sense.")
            self.completed = True
            return len(data)
        if self.body_rcv is not None and self.error is None:
            self.error = self._refusal()
            if self.error is not None:
                self.completed = True
                self.expect_continue = False  # else waitress would ask for the body, and forget that it is refused
        return consumed

    def _refusal(self) -> utilities.Error | None:
        if self._limits is None:
            self._limits, self._began = _widest(), time.monotonic()
        if self.chunked and "CONTENT_LENGTH" in self.headers and not self.completed:
            # Two ways to tell where the body ends: RFC 9112 section 6.1.
            return utilities.BadRequest("The request has both a Content-Length and a Transfer-Encoding.")
        body, limits = self.body_rcv, self._limits
        wire = self.body_bytes_received  # of chunks with their framing
        if max(self.content_length, len(body)) > limits.limit or wire > limits.limit * 2 + EXTRAS:
            return utilities.RequestEntityTooLarge(too_large(limits.limit).body)
        if self.completed:
            return None
        if len(getattr(body, "control_line", b"")) > LINE or len(getattr(body, "trailer", b"")) > EXTRAS:
            return utilities.BadRequest("The chunks of the body do not add up.")
        if time.monotonic() - self._began > limits.timeout + wire / limits.rate:
            return TooSlow(too_slow().body)
        return None


def _widest() -> Limits:
    """The limits within which a request is taken by any app, or by any route of it."""
    found: list[Limits] = [bodies.limits for bodies in _BODIES]
    found += [bodies.limits.of(route.config) for bodies in _BODIES for app in bodies.apps for route in app.routes]
    return found[0]._replace(
        limit=max(limits.limit for limits in found),
        timeout=max(limits.timeout for limits in found),
        rate=max(1, min(limits.rate for limits in found)),
    )
