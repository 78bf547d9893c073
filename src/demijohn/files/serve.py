"""How a file goes out: with headers under which it can do no harm, whatever is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bottle

from demijohn import conditions
from demijohn.files import PICTURES
from demijohn.files.content import is_private, type_by_name

if TYPE_CHECKING:
    from demijohn.files.stores.base import Found, Store

_ALWAYS = [
    # What is in the file is nobody's to guess: not a picture's HTML, nor a text's script.
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
_FOR_ALL = "public, max-age=31536000, immutable"  # its content is its name
_FOR_ONE = "private, no-cache"  # whoever has it must ask each time whether he still may


def response(store: Store, name: str, found: Found, filename: str | None, private: bool) -> Any:
    """The answer to the request that this thread answers: the file, a part of it, or that the visitor has it.

    :param filename: what the visitor's browser is to call it; it is then saved, not shown.
    """
    headers = [
        ("Content-Type", type_by_name(name)),
        *_ALWAYS,
        ("Content-Disposition", disposition(name, filename)),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", _FOR_ONE if private or is_private(name) else _FOR_ALL),
        ("ETag", f'"{name.partition(".")[0]}"'),
    ]
    answer = conditions.reply(
        bottle.request.environ,
        headers,
        found.size,
        lambda start, stop: store.read(found, start, stop),
        etag=headers[-1][1],
    )
    if answer.status in (412, 416):
        # An error like any other, on the site's own page.
        error = bottle.HTTPError(answer.status, _ERRORS[answer.status])
        for key, value in answer.headers:
            error.set_header(key, value)
        return error
    out = bottle.HTTPResponse(answer.body, answer.status)
    for key, value in answer.headers:
        out.add_header(key, value)
    return out


_ERRORS = {
    412: "This file is not the one that was asked for.",
    416: "This part of the file is not there.",
}


def disposition(name: str, filename: str | None) -> str:
    """RFC 6266: pictures are shown, everything else is saved. A name that is not plain ASCII is said twice, the second
    time as RFC 8187 has it."""
    if filename is None:
        return "inline" if type_by_name(name) in PICTURES else "attachment"
    # No path, and nothing that a header or a terminal could stumble over.
    shown = "".join(c if c.isprintable() else "_" for c in filename.replace("\\", "/").rpartition("/")[2]).strip(". ")
    shown = shown or name
    plain = "".join(c if c.isascii() and c not in '"\\%' else "_" for c in shown)
    extended = "" if plain == shown else f"; filename*=UTF-8''{quote(shown, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
