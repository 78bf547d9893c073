"""Who is let through while the site is being worked on: whoever has followed the link that was printed when the work
began, for as long as its pass is good."""

from __future__ import annotations

import hmac
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence

#: Where the link leads.
PATH = "/_maintenance"
COOKIE = "demijohn_operator"
#: Seconds that a pass is good.
GOOD = 12 * 3600
_PASS = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{32})\Z")


def make_pass(secrets: Sequence[str], seconds: int = GOOD) -> str:
    """A pass, signed with the first of the secrets."""
    ends = str(int(time.time()) + seconds)
    return f"{ends}.{_mark(secrets[0], ends)}"


def seconds_left(text: str, secrets: Sequence[str]) -> int:
    """How long this pass is good yet; 0: it is none, or is good no more. Each of the secrets is believed."""
    found = _PASS.match(text)
    if found is None:
        return 0
    ends, mark = found.groups()
    if not any(hmac.compare_digest(_mark(secret, ends), mark) for secret in secrets):
        return 0
    return max(0, int(ends) - int(time.time()))


def shown_in(cookies: str) -> str:
    """The pass in a Cookie header."""
    found = re.search(rf"(?:^|[; ]){COOKIE}=([0-9A-Za-z_.-]+)", cookies)
    return found[1] if found else ""


def _mark(secret: str, ends: str) -> str:
    digest = hmac.digest(b"demijohn maintenance " + secret.encode(), ends.encode(), "sha256")
    return urlsafe_b64encode(digest[:24]).decode()
