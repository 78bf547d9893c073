"""The error page of a site that has none, or whose own has failed. It needs nothing of the site."""

from __future__ import annotations

import bottle

STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f3; --card: #fff; --ink: #22262a; --soft: #5a6168; --line: #d9dcd8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181a; --card: #1d2124; --ink: #e6e8e8; --soft: #a3abb0; --line: #33393d; }
}
* { box-sizing: border-box; }
body { display: grid; place-items: center; min-height: 100vh; margin: 0; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
main { width: 100%; max-width: 30rem; padding: 2rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
p { margin: .75rem 0 0; }
.status { margin: 0; color: var(--soft); letter-spacing: .1em; }
h1 { margin: .2rem 0 0; font-size: 1.5rem; line-height: 1.25; }
.ticket { color: var(--soft); font-size: .9375rem; }
code { padding: .1rem .4rem; border: 1px solid var(--line); border-radius: 4px; color: var(--ink); user-select: all; }
"""


def plain_page(*, status: int, title: str, message: str, ticket: str | None, retry_after: int | None) -> str:
    """A whole page."""
    escape = bottle.html_escape
    told = ""
    if ticket:
        told = f'<p class="ticket">If you tell us of it, please name the ticket <code>{escape(ticket)}</code>.</p>\n'
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{status} {escape(title)}</title>\n<style>{STYLE}</style>\n<main>\n"
        f'<p class="status">{status}</p>\n<h1>{escape(title)}</h1>\n<p>{escape(message)}</p>\n'
        f"{told}</main>\n</html>\n"
    )
