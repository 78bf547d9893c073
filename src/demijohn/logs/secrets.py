"""What must not stand in a log: values that are known to be secret, and what stands where secrets stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from demijohn.secrecy import HIDDEN, is_secret, spelled

#: Of what a visitor sends: a value under a secret name, and that of any cookie.
_SHORTEST_FIELD, _SHORTEST_COOKIE = 4, 12
#: What a visitor may well send a secret under, in an address or a form, beside what is called so anywhere.
_FIELDS = frozenset(("pass", "code", "state", "sid", "next"))

# Compiled when the first line is written, not at boot. Bounded repetitions only: a line may be long, and hostile.
_PATTERNS = (
    # scheme://user:password@host
    (r"(://[^\s/@:\"']{0,256}:)[^\s/@\"']{1,1024}(?=@)", r"\1" + HIDDEN),
    # Authorization: Basic ..., and the credentials alone
    (
        r"(?i)(authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?:(?:basic|bearer|digest|token|apikey)\s{1,4})?[^\s\"',]{1,8192}",
        r"\1" + HIDDEN,
    ),
    (r"(?i)\b(basic|bearer)(\s{1,4})[a-z0-9+/=._~-]{8,8192}", r"\1\2" + HIDDEN),
    # Cookie: name=value; name=value
    (r"(?i)(cookie[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s=;,\"']{1,128}=[^\"'\r\n]{1,8192}", r"\1" + HIDDEN),
    # password=..., 'token': '...', "api_key": "..."; not csrf=False, which our own advice has
    (
        r"(?i)((?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|private|access)[_-]?key|credential|csrf|signature)"
        r"[\w-]{0,40}[\"']?\s{0,4}(?:=|:(?=\s{0,4}[\"'])|(?<=word):)\s{0,4})"
        r"(?!\(hidden|(?:true|false|none)\.?(?:[\s,;&)}\]]|$))"
        r"(?:b?\"[^\"\n]{0,4096}\"|b?'[^'\n]{0,4096}'|[^\s&;,)}\]\"']{1,4096})",
        r"\1" + HIDDEN,
    ),
    # SQLAlchemy's errors show the values of a statement, in one line.
    (r"\[parameters: [^\n]{0,65536}", f"[parameters: {HIDDEN}]"),
)


def is_secret_field(name: str) -> bool:
    """Whether what visitors send under this name is likely to be secret. A `code` or a `state` lets somebody in."""
    return name.lower() in _FIELDS or is_secret(name) or "authenticity" in name.lower()


class Secrets:
    """Hides what is secret in a text.

    :param values: the values that must not be seen, wherever they stand: the site's key, the passwords of its servers;
        or what finds them.
    """

    def __init__(self, values: Iterable[str] | Callable[[], Iterable[str]] = ()) -> None:
        self._find: Callable[[], list[str]] = lambda: spelled(values() if callable(values) else values)
        self._patterns: list[tuple[re.Pattern[str], str]] | None = None

    @cached_property
    def _values(self) -> list[str]:
        """Looked for when the first line is written, not at boot."""
        return self._find()

    def __or__(self, other: Secrets) -> Secrets:
        both = Secrets()
        both._find = lambda: _longest_first({*self._values, *other._values})
        return both

    def longest(self, environ: Mapping[str, Any] | None = None) -> int:
        """Characters of the longest value that is looked for."""
        return max(map(len, [*self._values, *(() if environ is None else of_request(environ))]), default=0)

    def hide(self, text: str, environ: Mapping[str, Any] | None = None) -> str:
        """`text` with `(hidden)` in place of each secret.

        :param environ: the request's, in which the text was made: what the visitor has sent as cookie, credentials, or
            in a field with a secret's name, is hidden too.
        """
        for value in self._values:
            if value in text:
                text = text.replace(value, HIDDEN)
        if environ is not None:
            for value in of_request(environ):
                if value in text:
                    text = text.replace(value, HIDDEN)
        if self._patterns is None:
            self._patterns = [(re.compile(pattern), into) for pattern, into in _PATTERNS]
        for pattern, into in self._patterns:
            text = pattern.sub(into, text)
        return text


def of_request(environ: Mapping[str, Any]) -> list[str]:
    """What in this request is secret: cookies, credentials, and what was sent under a secret's name. What nobody has
    read of the body is not read here."""
    found: list[str] = []
    for pair in environ.get("HTTP_COOKIE", "").split(";"):
        value = pair.partition("=")[2].strip().strip('"')
        if len(value) >= _SHORTEST_COOKIE:
            found += [value, unquote(value)]
    credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")[2].strip()
    if credentials:
        found += [credentials, *_password(credentials)]
    fields: list[tuple[Any, Any]] = parse_qsl(environ.get("QUERY_STRING", ""), errors="replace")
    fields += (environ.get("route.url_args") or {}).items()
    for kept in ("bottle.request.post", "bottle.request.forms", "bottle.request.json"):
        fields += _fields(environ.get(kept))
    for name, value in fields:
        if isinstance(value, str) and len(value) >= _SHORTEST_FIELD and is_secret_field(str(name)):
            found += _decoded(value)
    return _longest_first(set(found))


def of_path(arguments: Mapping[str, Any]) -> list[str]:
    """What in a path stands where its route has a name for secrets, as PATH_INFO has it."""
    return [
        value.encode().decode("latin-1")
        for name, value in arguments.items()
        if isinstance(value, str) and len(value) >= _SHORTEST_FIELD and is_secret_field(str(name))
    ]


def query(text: str) -> str:
    """A query string with what stands under secret names hidden, as it may be seen in a log."""
    if not text:
        return ""
    pairs = []
    for pair in text.split("&"):
        name, equals, _ = pair.partition("=")
        is_hidden = equals and is_secret_field(unquote_plus(name))
        pairs.append(_in_address(name) + "=" + HIDDEN if is_hidden else _in_address(pair))
    return "&".join(pairs)


def _in_address(text: str) -> str:
    return quote(text.encode("latin-1", "replace"), safe="%/:@!$'()*+,;=~?")


def _fields(kept: Any) -> list[tuple[Any, Any]]:
    """The pairs of what Bottle has kept of a body: a form, or a JSON object."""
    if hasattr(kept, "allitems"):
        return list(kept.allitems())
    return list(kept.items()) if isinstance(kept, dict) else []


def _decoded(value: str) -> list[str]:
    """Bottle keeps a form's text as Latin-1; a traceback has it as it was read."""
    try:
        return [value, value.encode("latin-1").decode("utf-8")]
    except UnicodeError:
        return [value]


def _password(credentials: str) -> list[str]:
    import base64

    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return []
    password = text.partition(":")[2]
    return [password] if len(password) >= _SHORTEST_FIELD else []


def _longest_first(values: set[str]) -> list[str]:
    return sorted(values, key=lambda value: (-len(value), value))
