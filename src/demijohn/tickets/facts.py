"""What a ticket says of one time that an error happened: the traceback, the request, the release. Nothing secret."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from typing import Any

from demijohn.secrecy import HIDDEN, address, is_secret, of_path, query
from demijohn.secrecy.hiding import Secrets
from demijohn.tickets.fingerprint import chain

#: Characters of a traceback that are kept, from its beginning and its end. A host cuts lines of its log at 10 KB.
HEAD, TAIL = 1500, 3500
#: Characters of a text in which secrets are looked for: of what a visitor has sent an error may hold megabytes.
SEARCHED = 40_000
#: Characters of one text, and how many headers and names of fields are kept.
TEXT, HEADERS, FIELDS = 300, 30, 50
#: Never kept, whatever their names.
_NEVER = frozenset(("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"))


def message_of(error: BaseException, secrets: Secrets, environ: Mapping[str, Any] | None = None) -> str:
    """What the error says, on one line; of one that cannot say anything, that.

    :param environ: the request's, whose secrets are hidden, too.
    """
    hide_parameters(error)
    try:
        text = str(error)
    except Exception:
        return "(its text cannot be had)"
    return clean(" ".join(secrets.hide(text, environ, SEARCHED).split()), TEXT)  # half of a secret would not be known


def traceback_of(error: BaseException, secrets: Secrets, environ: Mapping[str, Any] | None = None) -> str:
    """The traceback as Python prints it, its middle left out where it is long."""
    hide_parameters(error)
    return cut(clean(secrets.hide("".join(traceback.format_exception(error)).rstrip(), environ, SEARCHED)))


def cut(text: str) -> str:
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n  ... {len(text) - HEAD - TAIL:,} characters ...\n{text[-TAIL:]}"


def hide_parameters(error: BaseException) -> None:
    """SQLAlchemy's errors print what a statement was given: names, texts, hashes of passwords."""
    for link in chain(error):
        if getattr(link, "hide_parameters", None) is False:
            link.hide_parameters = True  # type: ignore[attr-defined]


def clean(text: str, limit: int | None = None) -> str:
    """`text` as every database and log takes it: no NUL, no half of a character."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 3] + "..."
    return text.replace("\0", "\\x00").encode("utf8", "backslashreplace").decode("utf8")


def request_of(environ: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """The request: no cookie, no authorization, nothing of the body but the names of its fields."""
    route = environ.get("bottle.route")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    for secret in of_path(environ.get("route.url_args") or {}):
        path = path.replace(secret, HIDDEN)
    facts = {
        "method": environ.get("REQUEST_METHOD", ""),
        "path": secrets.values(_as_text(path)),
        "query": secrets.values(query(environ.get("QUERY_STRING", ""))),
        "route": getattr(route, "rule", None),
        "id": environ.get("demijohn.request_id"),
        "user": _user(environ),
        "headers": _headers(environ, secrets),
        "fields": _fields(environ, secrets),
    }
    return {name: _short(value) for name, value in facts.items() if value}


def _headers(environ: Mapping[str, Any], secrets: Secrets) -> dict[str, str]:
    found = {}
    for key in sorted(environ):
        if key in _NEVER or not (key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")):
            continue
        name = key.removeprefix("HTTP_").replace("_", "-").title()
        value = environ[key]
        if value and isinstance(value, str):
            found[name] = HIDDEN if is_secret(name) else clean(secrets.hide(address(_as_text(value))), TEXT)
        if len(found) == HEADERS:
            break
    return found


def _fields(environ: Mapping[str, Any], secrets: Secrets) -> list[str]:
    """The names of the form's fields, where somebody has read the form; it is not read for this."""
    for key in ("bottle.request.post", "bottle.request.forms"):
        if key in environ:
            try:
                return [secrets.values(clean(_as_text(str(name)), TEXT)) for name in list(environ[key])[:FIELDS]]
            except Exception:
                return []
    return []


def _user(environ: Mapping[str, Any]) -> str | None:
    """Who is signed in, where the request has opened its session: it is not opened for this."""
    session = environ.get("beaker.session")
    try:
        if session is not None and session.accessed():
            user = session.user
            return None if user is None else clean(str(user), 100)
    except Exception:  # the session may be what failed
        return None
    return None


def of_process(release: str) -> dict[str, Any]:
    """Where the site runs."""
    import platform

    facts = {"release": release, "host": os.environ.get("DYNO") or platform.node(), "process": os.getpid()}
    return {name: value for name, value in facts.items() if value}


def _as_text(text: str) -> str:
    """WSGI's bytes in disguise, as the text that they are."""
    try:
        return text.encode("latin1").decode("utf8", "backslashreplace")
    except UnicodeError:
        return text


def _short(value: Any) -> Any:
    return clean(value, TEXT) if isinstance(value, str) else value
