"""Which request a line belongs to."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

#: Where a request's id is kept in its environ.
ID = "demijohn.request_id"
#: What an environ has for as long as its request lasts: `lifetime.KEY`, whose module would import Bottle.
ALIVE = "demijohn.lifetime"


class Here(threading.local):
    """The request that this thread has begun last. Bottle knows of it a little later: openers come before."""

    environ: dict[str, Any] | None = None


here = Here()


def environ() -> dict[str, Any] | None:
    """The environ of the request that this thread is answering, or None."""
    bottle: Any = sys.modules.get("bottle")
    if bottle is not None:
        try:
            found: dict[str, Any] = bottle.request.environ  # a streamed body's, too: it is bound again for each piece
        except RuntimeError:  # a thread that has answered none
            pass
        else:
            if ALIVE in found:
                return found
    begun = here.environ
    return begun if begun is not None and ALIVE in begun else None


def is_well_formed(id: str) -> bool:
    """Whether an id that came in a header may be taken: at most 200 of ASCII's letters, digits and `+/=-_.`, as
    Heroku's router has it (https://devcenter.heroku.com/articles/http-request-id)."""
    if len(id) > 200 or not id.isascii():
        return False
    return id.replace("-", "").isalnum() or id.translate(_MARKS).isalnum()  # most are UUIDs


_MARKS = str.maketrans("", "", "+/=-_.")


class RequestId(logging.Filter):
    """Gives each record a `request_id`, empty outside a request: for a handler of the site's own."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = (environ() or {}).get(ID, "")
        return True
