"""What is said of maintenance, by whoever has begun it, to every copy of the site."""

from __future__ import annotations

import json
import math
import time
from typing import NamedTuple

ON, READ_ONLY, OFF = "on", "read-only", "off"
#: Under which it stands where the copies of a site find it.
KEY = "maintenance"
#: Seconds after which a visitor may ask again, where nobody has said when it is over.
RETRY_AFTER = 120
#: Seconds that the notice stays there: nobody ends maintenance by forgetting it.
KEPT = 10 * 365 * 86_400


class Notice(NamedTuple):
    """How the site stands: `on`, `read-only` or `off`."""

    mode: str = OFF
    #: What visitors read; empty: the usual sentence.
    message: str = ""
    #: Seconds since the epoch, when it will be over; it goes on for as long as nobody ends it.
    until: float | None = None

    @property
    def retry_after(self) -> int:
        """Seconds, for the header of that name."""
        left = 0 if self.until is None else math.ceil(self.until - time.time())
        return left if left > 0 else RETRY_AFTER

    @property
    def sentence(self) -> str:
        """For the visitor."""
        if self.message:
            return self.message
        if self.mode == READ_ONLY:
            return "The site can only be read for now, and nothing was changed. Please try again in a while."
        return "The site is being worked on. Please come back in a while."

    def write(self) -> bytes:
        return json.dumps(self._asdict()).encode()


def read(text: bytes) -> Notice:
    """What `write` has written; or, of a file that somebody has made by hand, the message, if it has one."""
    try:
        content = json.loads(text)
        mode, until = content["mode"], content["until"]
        if mode not in (ON, READ_ONLY, OFF) or (until is not None and not math.isfinite(until)):
            raise ValueError
        return Notice(mode, str(content["message"]), None if until is None else float(until))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Notice(ON, text[:1000].decode("utf8", "replace").strip())
