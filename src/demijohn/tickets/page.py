"""The page that development shows: the error, those behind it, and the request. Made in memory, without a script."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

from bottle import html_escape

from demijohn.config import csp
from demijohn.secrecy import HIDDEN, address, is_secret
from demijohn.secrecy.hiding import Secrets
from demijohn.tickets.facts import SEARCHED, hide_parameters, message_of
from demijohn.tickets.fingerprint import MOST, Code, chain, name_of
from demijohn.tickets.frames import Frame, excerpt, frames, show
from demijohn.tickets.plugin import KEY
from demijohn.tickets.style import STYLE

#: How deep groups within groups are shown.
DEPTH = 3
_CGI = frozenset(("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH"))
_CGI |= {"REQUEST_URI", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT", "REMOTE_USER"}
_DIRECT = "The error above led directly to the next one."
_DURING = "While the error above was handled, the next one happened."


class Explanation:
    """An error as development shows it."""

    def __init__(self, error: BaseException, code: Code, secrets: Secrets, environ: dict[str, Any]) -> None:
        self.error = error
        self._code = code
        self._secrets = secrets
        self._environ = environ
        hide_parameters(error)

    @property
    def policy(self) -> str:
        """The Content-Security-Policy of the page: its style, and nothing else."""
        return csp.only(STYLE)

    @property
    def text(self) -> str:
        """The traceback, to be copied."""
        return self._secrets.hide("".join(traceback.format_exception(self.error)), most=SEARCHED)

    @property
    def html(self) -> str:
        """A whole page."""
        title = f"{name_of(self.error)}: {self._message(self.error)}"
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html_escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
            f"{self._head()}\n<main>\n{''.join(self._errors())}"
            f"<h2>The request</h2>\n{self._request()}\n"
            "<h2>As text</h2>\n<p>Click into it, then select all of it and copy.</p>\n"
            f'<textarea readonly rows="16" aria-label="The traceback as text">{html_escape(self.text)}</textarea>\n'
            "<p class=soft>Shown because <code>environment</code> is <code>development</code>. Elsewhere the visitor "
            "sees a calm page, and the traceback is in the ticket.</p>\n</main>\n</body>\n</html>\n"
        )

    def _message(self, error: BaseException) -> str:
        return message_of(error, self._secrets)

    def _head(self) -> str:
        environ, error = self._environ, self.error
        try:
            whole = str(error)
        except Exception:
            whole = self._message(error)
        ticket = environ.get(KEY)
        told = f" &middot; ticket <code>{html_escape(ticket)}</code>" if ticket else ""
        asked = f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}"
        return (
            f"<header>\n<p>{html_escape(self._secrets.values(asked))}{told}</p>\n<h1>{html_escape(name_of(error))}</h1>\n"
            f'<pre class="said">{html_escape(self._secrets.hide(whole, most=SEARCHED)[:4000])}</pre>\n</header>'
        )

    def _errors(self) -> Iterator[str]:
        """The error that came first is shown first, as Python prints them."""
        links = [link for link in chain(self.error) if link not in getattr(self.error, "exceptions", ())]
        for number, link in enumerate(reversed(links)):
            yield self._one(link, heading=len(links) > 1)
            if number < len(links) - 1:
                later = links[len(links) - number - 2]
                yield f"<p class=link>{_DIRECT if later.__cause__ is link else _DURING}</p>\n"

    def _one(self, error: BaseException, heading: bool, depth: int = DEPTH) -> str:
        parts = ["<section>\n"]
        if heading:
            parts.append(f"<h2>{html_escape(name_of(error))}</h2>\n")
            parts.append(f'<pre class="said">{html_escape(self._message(error))}</pre>\n')
        notes: Any = getattr(error, "__notes__", ())
        for note in notes if isinstance(notes, (list, tuple)) else (notes,):  # anybody may set it to anything
            text = self._secrets.hide(note, most=SEARCHED) if isinstance(note, str) else show(note, self._secrets)
            parts.append(f'<pre class="said">{html_escape(text)}</pre>\n')
        found = frames(error, self._code, self._secrets)
        own = [frame for frame in found if isinstance(frame, Frame) and frame.place.own]
        opened = own[-1] if own else next((frame for frame in reversed(found) if isinstance(frame, Frame)), None)
        parts.extend(self._frame(frame, frame is opened) for frame in found)
        if isinstance(error, SyntaxError) or hasattr(error, "lineno"):
            parts.append(self._syntax(error))
        members: Any = getattr(error, "exceptions", ())
        if depth and isinstance(members, (tuple, list)):
            parts.append(
                "".join(self._member(member, number, depth) for number, member in enumerate(members[:MOST], 1))
            )
            if len(members) > MOST:
                parts.append(f"<p>and {len(members) - MOST} more.</p>\n")
        return "".join([*parts, "</section>\n"])

    def _member(self, error: Any, number: int, depth: int) -> str:
        if not isinstance(error, BaseException):
            return ""
        return f'<div class="member"><p>{number} of the group:</p>{self._one(error, True, depth - 1)}</div>\n'

    def _frame(self, frame: Frame | int, opened: bool) -> str:
        if isinstance(frame, int):
            return f"<p class=soft>{frame:,} calls are left out.</p>\n"
        place = frame.place
        kind = "own" if place.own else "foreign"
        where = f"<code>{html_escape(place.path)}:{place.line}</code> in <code>{html_escape(place.function)}</code>"
        line = next((text for number, text in frame.source if number == place.line), "").strip()
        said = f"<code class=line>{html_escape(line)}</code>" if line else ""
        rows = "".join(
            f"<tr><th>{html_escape(name)}</th><td><code>{html_escape(value)}</code></td></tr>"
            for name, value in frame.variables
        )
        table = f"<table>{rows}</table>" if rows else "<p class=soft>No variables.</p>"
        return (
            f'<details class="{kind}"{" open" if opened else ""}><summary>{where}{said}</summary>\n'
            f"{_source(frame.source, place.line)}{table}</details>\n"
        )

    def _syntax(self, error: Any) -> str:
        """The line that an error in a template, or in Python, speaks of."""
        file, line = getattr(error, "filename", None), getattr(error, "lineno", None)
        if not isinstance(file, str) or not isinstance(line, int):
            return ""
        source = _source(excerpt(file, line, None, self._secrets), line)
        return (
            f"<details open class=own><summary><code>{html_escape(file)}:{line}</code></summary>\n{source}</details>\n"
        )

    def _request(self) -> str:
        environ, secrets = self._environ, self._secrets
        rows = []
        for name in sorted(environ):
            if not (name.startswith(("HTTP_", "wsgi.")) or name in _CGI):
                continue  # Bottle's own, ours, and with wsgiref the variables of the shell
            value = environ[name]
            if name in ("QUERY_STRING", "HTTP_REFERER") and isinstance(value, str):
                value = secrets.values(address(value))
            shown = HIDDEN if is_secret(name) and value else show(value, secrets, own=False)
            rows.append(f"<tr><th>{html_escape(name)}</th><td><code>{html_escape(shown)}</code></td></tr>")
        return f"<table>{''.join(rows)}</table>"


def _source(lines: list[tuple[int, str]], line: int) -> str:
    shown = [
        f'<span class="{"here" if number == line else "near"}"><b>{number}</b> {html_escape(text)}</span>'
        for number, text in lines
    ]
    # What has to be scrolled in a narrow window can be by keyboard, too.
    return f"<pre class=source tabindex=0>{chr(10).join(shown)}</pre>" if shown else ""
