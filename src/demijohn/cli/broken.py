"""What `demijohn run` serves while the site cannot be loaded: what is wrong, until it is mended. Development only."""

from __future__ import annotations

import html
import sys
import traceback
from typing import TYPE_CHECKING

from demijohn.errors import DemijohnError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def broken_site(error: Exception) -> WSGIApplication:
    """A WSGI app that shows `error` at every address."""
    # Our own errors are sentences, which need no traceback.
    text = str(error) if isinstance(error, DemijohnError) else "".join(traceback.format_exception(error))
    print(f"{text}\nThe site does not start. Mend this; it is then loaded by itself.", file=sys.stderr, flush=True)
    page = _PAGE.format(text=html.escape(text)).encode()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        headers = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(page)))]
        start_response("500 Internal Server Error", [*headers, ("Cache-Control", "no-store")])
        return [page]

    return application


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The site does not start</title>
<h1>The site does not start</h1>
<p>Mend this and load the page again.</p>
<pre>{text}</pre>
</html>
"""
