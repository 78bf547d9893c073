"""Where a visitor is sent next, when the visitor has said where: never to another site.

    redirect(safe_path(request.query.next))
    redirect_back()

`bottle.redirect` goes wherever it is told to. What comes out of a request is told to it through these.
"""

from __future__ import annotations

import contextlib
import re
from typing import NoReturn
from urllib.parse import quote

import bottle

from demijohn.errors import DemijohnError

#: Characters of a path with its query. A longer one may be more than the next request's line can hold.
LONGEST = 2000
#: Browsers take a backslash for a slash, leave out tabs and line ends wherever they stand, and cut spaces and control
#: characters off both ends (URL Standard, "basic URL parser"): `/\host`, `/<tab>/host` are other sites. What is encoded
#: is not decoded by them, but by some servers on the way: `/%2Fhost` is no page of anybody's.
_PATH = r"(?i:/(?![/\\]|%2f|%5c)[^\x00-\x20\x7f\\\ud800-\udfff]*)"  # not compiled at boot


def safe_path(path: str | None, default: str = "/") -> str:
    """`path`, if it is a path of this site, with its query: `/notes?page=2`. Otherwise `default`.

    A path with `//` in it is no page here, because `/a/..//host` becomes `//host` in the hands of the next program that
    tidies it up. What is not ASCII comes back encoded, as an address wants it.
    """
    if (
        not path
        or len(path) > LONGEST
        or not re.fullmatch(_PATH, path)
        or "//" in re.split("[?#]", path, maxsplit=1)[0]
    ):
        return default
    if path.isascii():
        return path
    return re.sub("[^\x21-\x7e]+", lambda found: quote(found[0]), path)


def redirect_back(default: str = "/", field: str = "next") -> NoReturn:
    """Send the visitor where the field `next` of the form, or else of the address, says, if that is a path of this
    site; else to `default`. Of a form that was taken by `request.parts()` nothing is kept: there the address counts.
    Raises, as `bottle.redirect` does."""
    request, asked = bottle.request, None
    if request.method == "POST":
        with contextlib.suppress(DemijohnError):  # the body has gone by
            asked = request.forms.getunicode(field)
    bottle.redirect(safe_path(asked or request.query.getunicode(field), default))
    raise AssertionError("bottle.redirect raises")
