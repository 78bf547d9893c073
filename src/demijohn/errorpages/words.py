"""What is said of an error, in a sentence or two for whoever met it."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

_SENTENCES = {
    400: "The request could not be understood. Going back and trying once more may help.",
    401: "Please sign in first: this address is not open to everybody.",
    403: "This address is not open to you.",
    404: "There is nothing at this address. It may have moved, or there is a slip in the address.",
    405: "This address does not take that kind of request.",
    408: "The request took too long to arrive. Please try again.",
    409: "Somebody else has changed this meanwhile. Please look again before you go on.",
    410: "What was at this address is gone for good.",
    413: "What you have sent is larger than this site takes.",
    414: "The address is longer than this site takes.",
    415: "This address does not take what was sent in this format.",
    422: "What was sent could be read, but it cannot be used.",
    429: "That was more often than this site allows. Please wait a moment before you go on.",
    431: "The request's headers, with its cookies, are larger than this site takes.",
    500: "Something went wrong on our side. It has been written down. Please try again in a moment.",
    502: "Something that this site needs did not answer properly. Please try again in a moment.",
    503: "The site cannot answer right now. Please try again in a moment.",
    504: "Something that this site needs took too long. Please try again in a moment.",
}
#: Texts that Bottle fills in itself, which say no more than the status.
_BOTTLES = (
    "Not found: ",
    "Method not allowed.",
    "Internal Server Error",
    "Unhandled exception",
    "Unsupported response",
    "Unknown Error.",
)


def message_of(error: Any, seconds: int | None) -> str:
    """What the error itself says, or what its status means.

    :param seconds: after which asking again is worth it.
    """
    members = members_of(error)
    body = error.body if members is None else members.get("detail")
    if isinstance(body, str) and body and not body.startswith(_BOTTLES):
        return body
    sentence = _SENTENCES.get(error.status_code)
    if sentence is None:
        return str(error.status_line.partition(" ")[2])
    if error.status_code == 429 and seconds:
        return f"That was more often than this site allows. Please go on in {span(seconds)}."
    return sentence


def members_of(error: Any) -> dict[str, Any] | None:
    """What a handler has given as members of a problem: `HTTPError(409, {"type": "/problems/taken", "name": "ann"})`.
    Bottle's JSON plugin has made a text of it."""
    body = error.body
    if isinstance(body, str) and error.headers.get("Content-Type", "").startswith("application/json"):
        try:
            body = json.loads(body)
        except ValueError:
            return None
    return body if isinstance(body, dict) else None


def retry_after(value: str | None) -> int | None:
    """The seconds that a `Retry-After` says: a number, or a date (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        return max(0, round(parsedate_to_datetime(text).timestamp() - time.time()))
    except (ValueError, TypeError, OverflowError):
        return None


def span(seconds: int) -> str:
    """A length of time as one says it: `20 seconds`, `3 minutes`, `2 hours`."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{-(-seconds // size)} {name}s"
    return "1 second" if seconds == 1 else f"{seconds} seconds"
