"""What a visitor sees when something went wrong: a calm page and a sentence, never a traceback outside development."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import bottle

log = logging.getLogger("demijohn")

_SENTENCES = {
    404: "There is nothing at this address. It may have moved, or there is a slip in the address.",
    405: "This address does not take that kind of request.",
    500: "Something went wrong on our side. It has been written down. Please try again in a moment.",
}
#: Texts that Bottle fills in itself, which say no more than the status.
_BOTTLES = (
    "Not found: ",
    "Method not allowed.",
    "Internal Server Error",
    "Unhandled exception",
    "Unsupported response",
)


def error_page(error: Any, render: Callable[..., str | None], development: bool) -> str | bytes:
    """The body of the answer to `error`, a `bottle.HTTPError`: JSON for a program that asks for it, else a page.

    :param render: renders the site's own page from `status`, `title`, `message` and `traceback`, or returns None.
    :param development: show the traceback.
    """
    status, title = error.status_code, error.status_line.partition(" ")[2]
    body = error.body if isinstance(error.body, str) else ""
    message = _SENTENCES.get(status, title) if not body or body.startswith(_BOTTLES) else body
    traceback = error.traceback if development else None
    if _wants_json():
        bottle.response.content_type = "application/json"
        return json.dumps({"status": status, "title": title, "message": message})
    try:
        page = render(status=status, title=title, message=message, traceback=traceback)
    except Exception:
        log.exception("The site's own error page failed; the plain one was shown")
        page = None
    return page or _PAGE % {
        "title": bottle.html_escape(f"{status} {title}"),
        "message": bottle.html_escape(message),
        "traceback": f"<pre>{bottle.html_escape(traceback)}</pre>" if traceback else "",
    }


def _wants_json() -> bool:
    environ = bottle.request.environ
    accept = environ.get("HTTP_ACCEPT", "")
    if "text/html" in accept:
        return False
    return "application/json" in accept or environ.get("CONTENT_TYPE", "").startswith("application/json")


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%(title)s</title>
<h1>%(title)s</h1>
<p>%(message)s</p>
%(traceback)s
</html>
"""
