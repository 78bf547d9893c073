"""What all copies of a site share for a time: a count, a mark, a few bytes. `site.shared`, or alone:

shared = MemcachedShared(Memcached(["127.0.0.1:11211"]))
if shared.count("sign-in 203.0.113.7", seconds=60) > 5:
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demijohn.shared.errors import SharedDownError as SharedDownError
from demijohn.shared.errors import SharedTooLargeError as SharedTooLargeError

if TYPE_CHECKING:  # a site that shares nothing need not import it
    from demijohn.shared.base import Entry as Entry
    from demijohn.shared.base import Shared as Shared
