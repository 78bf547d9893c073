"""What a visitor sees when something went wrong: a calm page and a sentence, or a problem as RFC 9457 has it for a
program; never a traceback outside development."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

import bottle

from demijohn.errorpages.accept import wants_problem
from demijohn.errorpages.words import members_of, message_of, retry_after

#: RFC 9457, section 6.1.
PROBLEM = "application/problem+json"
#: Of a body that is not sent: the error's, or one that a handler had begun with.
_OF_ANOTHER_BODY = frozenset(
    ("Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Etag", "Last-Modified")
)
log = logging.getLogger("demijohn")


class Explanation(Protocol):
    """What development shows of an error."""

    @property
    def html(self) -> str:
        """A whole page."""

    @property
    def policy(self) -> str:
        """The Content-Security-Policy that its style needs."""

    @property
    def text(self) -> str:
        """The traceback."""


def error_page(
    error: Any,
    render: Callable[..., str | None],
    *,
    ticket: str | None = None,
    explain: Callable[[BaseException], Explanation] | None = None,
    record: Callable[[Exception], str | None] | None = None,
) -> str | bytes:
    """The body of the answer to `error`, a `bottle.HTTPError`. What it is goes into `bottle.response`, beside the
    headers that the error carries.

    :param render: renders the site's own page from `status`, `title`, `message`, `ticket` and `retry_after` (seconds),
        or returns None.
    :param ticket: the id of the error, where it is one that nobody has foreseen.
    :param explain: in development: what to show of an error that nobody has foreseen.
    :param record: writes down the error of the site's own page, and returns its ticket.
    """
    _take_headers(error)
    seconds = retry_after(bottle.response.headers.get("Retry-After"))
    facts = {
        "status": error.status_code,
        "title": error.status_line.partition(" ")[2],
        "message": message_of(error, seconds),
        "ticket": ticket,
        "retry_after": seconds,
    }
    explanation = None
    if explain is not None and error.exception is not None and error.status_code == 500:
        explanation = explain(error.exception)
    environ = bottle.request.environ
    if wants_problem(environ.get("HTTP_ACCEPT"), environ.get("CONTENT_TYPE", "")):
        return _problem(error, facts, explanation)
    bottle.response.content_type = "text/html; charset=UTF-8"
    if explanation is not None:
        bottle.response.set_header("Content-Security-Policy", explanation.policy)
        return explanation.html
    try:
        page = render(**facts)
    except Exception as broken:
        of_page = record(broken) if record is not None else None
        words = "The site's own error page failed; the plain one was shown"
        if of_page is not None:
            log.error("%s. Ticket %s says why.", words, of_page)
        else:
            log.error(words, exc_info=broken)
        page = None
    return page or _plain(facts)


def _take_headers(error: Any) -> None:
    """Make the error's headers the answer's. Bottle has done so, but by handing over the dict itself: what is changed
    in the answer's would be changed in those of an error that is raised again and again."""
    response = bottle.response
    kept = {name: list(values) for name, values in response._headers.items() if name not in _OF_ANOTHER_BODY}
    response._headers = kept
    varied = [value for value in response.headers.getall("Vary") if value]
    if not any("accept" in value.lower().split(", ") or "*" in value for value in varied):
        response.set_header("Vary", ", ".join([*varied, "Accept"]))
    if error.status_code >= 500 and "Cache-Control" not in kept:
        response.set_header("Cache-Control", "no-store")


def _problem(error: Any, facts: dict[str, Any], explanation: Explanation | None) -> bytes:
    bottle.response.content_type = PROBLEM
    environ = bottle.request.environ
    path = environ.get("SCRIPT_NAME", "") + environ.get("bottle.raw_path", environ.get("PATH_INFO", "/"))
    problem = {
        "type": "about:blank",
        "title": facts["title"],
        "status": facts["status"],
        "detail": facts["message"],
        "instance": quote(path.encode("latin1", "replace")),
        "ticket": facts["ticket"],
        "retry_after": facts["retry_after"],
        "traceback": explanation.text if explanation is not None else None,
    }
    problem.update(members_of(error) or {})
    return json.dumps({name: value for name, value in problem.items() if value is not None}, default=str).encode()


def _plain(facts: dict[str, Any]) -> str:
    from demijohn.config import csp
    from demijohn.errorpages.plain import STYLE, plain_page

    if "Content-Security-Policy" not in bottle.response.headers:
        bottle.response.set_header("Content-Security-Policy", csp.only(STYLE))
    return plain_page(**facts)
