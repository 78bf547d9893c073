"""Takes out of a text what must not stand in it: values that are known to be secret, what stands where secrets stand,
and what has the shape of one.

However long and hostile a text is, it is searched in a time that grows with its length and no faster: no piece of it
can be part of many attempts of one pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from demijohn.secrecy import HIDDEN, is_secret, is_secret_field, longest_first, of_request, pattern, spelled

#: Characters of a text that are searched. Of a longer one the first quarter of them, and the rest from its end.
MOST = 64_000
#: Characters beside a cut in which the half of a secret may stand that nobody knows: a private key has some 3,000.
EDGE = 4096
#: scheme://user:password@host. A password may have an @ in it, or a single slash; a port may not be one.
_URL = (
    r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}://[^\s:/@'\"<>]{0,256}:(?!\d{1,5}[/?#]))"
    r"(?:[^\s@/'\"]|/(?!/))+@(?:[^\s/@'\"]*@)*"
)
#: By their shapes: private keys, JSON web tokens, and what AWS, GitHub, GitLab, Google, Slack and Stripe give out.
_SHAPES = (
    r"(?-i:-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[\s\S])*"
    r"(?:-----END [A-Z0-9 ]{1,40}-----)?"
    r"|(?<![\w.-])(?:eyJ[\w-]{8,}(?:\.[\w-]*){1,2}|(?:AKIA|ASIA)[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{36}"
    r"|github_pat_\w{22,}|glpat-[\w-]{20,}|AIza[\w-]{35}|xox[abprs]-[\w-]{10,}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}))"
)
#: What is hidden behind certain words, which stand before it in small letters.
_PLACES = {
    # Authorization: Basic ..., and the credentials alone. A digest has a secret in many parts.
    "authorization": (
        r"(authorization[\"']?\s{0,4}[:=]\s{0,4})"
        r"(?:digest\s[^\r\n]*|(?:(?:basic|bearer|token|apikey)\s{1,4})?[^\s\"',\\]+)"
    ),
    "bearer": r"\b(bearer\s{1,4})[a-z0-9+/=._~-]{8,}",
    "basic": r"\b(basic\s{1,4})[a-z0-9+/=._~-]{8,}",
    # Cookie: name=value; name=value
    "cookie": r"(cookie[\"']?\s{0,4}[:=]\s{0,4})[^\s=;,\"'\\]{1,128}=[^\r\n]*",
    # What a statement was given, as SQLAlchemy's errors show it, and what PostgreSQL and MySQL say of a row.
    "[parameters: ": r"(\[parameters: )[^\n]*",
    "failing row": r"(failing row contains )[^\n]*",
    "duplicate entry": r"(duplicate entry )\\{0,7}'[^\n]{0,300}?'(?= for key)",
}
#: A name and what stands between it and a value: `password=`, `'token': `, `"key\": `; in a tuple; `Key (token)=(`, as
#: PostgreSQL has it; in an address within an address; in a form of several parts.
_NAMED = (
    r"(?<![\w.-])(?:(?<=%)[0-9a-f]{2})?(?P<name>[\w.-]+)(?:"
    r"(?P<sign>\\{0,7}[\"']?\s{0,4}[:=]\s{0,4})"
    r"|(?P<tuple>[\"'],\s{0,4}(?=[bru]{0,2}[\"']))"
    r"|(?P<row>\)=(?=\())"
    r"|(?P<coded>(?:%2[27])?%3[ad](?:%20|\+)?(?:%2[27])?)"
    r"|(?P<part>\\{0,7}[\"'][^\n\"'<>\\]{0,200}(?:\r?\n|(?:\\{1,7}r)?\\{1,7}n){2}))"
)
#: In quotes of its own, or in those of a text within a text, which have backslashes before them. A quote within, of
#: which the backslashes have been lost, is followed by more of the word. If none ends it, the line does.
_QUOTED = (
    r"[bruf]{0,2}(?:\"(?:[^\"\\\n]|\\.|\"(?=\w|\\[^nrt]))*\"?|'(?:[^'\\\n]|\\.|'(?=\w|\\[^nrt]))*'?)"
    r"|(\\{1,7})([\"'])[^\n]*?(?:(?<!\\)\1\2|(?=\n)|\Z)|[0-9]{3,}\b"
)
_BARE = r"(?!\(hidden|(?:true|false|none|null)\.?(?:[\s,;&)}\]]|$))(?:[^\s&;,)}\]\"'%]|%(?!2[267c]|3b|7d))+"
_GROUP = r"\[[^\]\n]*\]?|\{[^}\n]*\}?|\([^)\n]*\)?"
_PART = r"(?:[^\r\n\\]|\\(?!\\{0,6}[rn]))+"
#: Behind these names a value need not be quoted to be hidden; `key` and `session` stand before all sorts of things.
_SURE = r"pass(?:word|wd|phrase)|pwd|secret|token|(?:api|private|access)[_-]?key|credential|csrf|signature"
#: A line of source, as a traceback shows it: there only what stands in quotes is a value.
_SOURCE = r"(^[ |]*File \"[^\"\n]*\", line \d+, in [^\n]*\n[ |]+[^\n]*)"


class Secrets:
    """Hides what is secret in a text.

    :param values: the values that must not be seen, wherever they stand: the site's key, the passwords of its servers;
        or what finds them, called when the first text is searched.
    """

    def __init__(self, values: Iterable[str] | Callable[[], Iterable[str]] = ()) -> None:
        self._find: Callable[[], list[str]] = lambda: spelled(values() if callable(values) else values)

    @cached_property
    def _values(self) -> list[str]:
        return self._find()

    def __or__(self, other: Secrets) -> Secrets:
        both = Secrets()
        both._find = lambda: longest_first({*self._values, *other._values})
        return both

    def hide(self, text: str, environ: Mapping[str, Any] | None = None, most: int = MOST) -> str:
        """`text` with `(hidden)` in place of each secret. Of a long text the middle is left out before it is searched,
        and beside it so much that no part of a secret is left there.

        :param environ: the request's, in which the text was made: what the visitor has sent as cookie, credentials, or
            in a field with a secret's name, is hidden too.
        """
        values = self._values
        if environ is not None:
            values = longest_first({*values, *of_request(environ)})
        if len(text) <= most:
            return _hide(text, values)
        head, tail = text[: most // 4], text[most // 4 - most :]
        edge = max([EDGE, *map(len, values)])
        mark = f" [... more than {len(text) - most} characters left out ...] "
        return _hide(head, values)[:-edge] + mark + _hide(tail, values)[edge:]

    def values(self, text: str) -> str:
        """`text` without the secrets that are known by their values, and without passwords in addresses."""
        return _without(self._values, text)

    def source(self, text: str) -> str:
        """`text`, which is source code, without the secrets that are written into it."""
        return "".join(_named(self.values(text), is_source=True))


def _without(values: Iterable[str], text: str) -> str:
    for value in values:
        if value in text:
            text = text.replace(value, HIDDEN)
    if "://" in text and "@" in text:
        text = pattern(_URL).sub(rf"\1{HIDDEN}@", text)
    return text


def _hide(text: str, values: Iterable[str]) -> str:
    text = pattern(_SHAPES).sub(HIDDEN, _without(values, text))
    small = text.lower()
    for word, place in _PLACES.items():
        if word in small:
            text = pattern(place).sub(rf"\1{HIDDEN}", text)
    if 'File "' in text:
        pieces = re.split(_SOURCE, text, flags=re.MULTILINE)
        return "".join(part for number, piece in enumerate(pieces) for part in _named(piece, is_source=number % 2 == 1))
    return "".join(_named(text)) if "=" in text or ":" in text or "%3" in text or "'," in text or '"' in text else text


def _named(text: str, is_source: bool = False) -> Iterator[str]:
    """The pieces of `text`, without what stands behind the names of secrets."""
    at = 0
    for found in pattern(_NAMED).finditer(text):
        if found.start() >= at:  # not in what is hidden already
            value = _value(text, found, is_source)
            if value is not None:
                yield text[at : value.start()]
                yield HIDDEN
                at = value.end()
    yield text[at:]


def _value(text: str, found: re.Match[str], is_source: bool) -> re.Match[str] | None:
    """What is to be hidden behind a name, or nothing."""
    name, kind, between = found["name"], found.lastgroup, found.group(found.lastgroup or 0)
    start = found.start("name")
    before = text[max(0, start - 3) : start].upper()
    in_address = before.endswith(("?", "&", "%3F", "%26"))
    if not (is_secret_field(name) if in_address else is_secret(name)):
        return None
    if kind == "row":
        return pattern(_GROUP).match(text, found.end())
    if kind == "part":
        return pattern(_PART).match(text, found.end())
    if kind == "tuple" and "(" not in before:
        return None
    value = pattern(_QUOTED).match(text, found.end())
    if value is not None or is_source:
        return value
    if between.lstrip("\\")[:1] in ("'", '"') and text[found.end() : found.end() + 1] in ("[", "{", "("):
        return pattern(_GROUP).match(text, found.end())
    is_pair = in_address or kind == "coded" or (before.endswith(('"', "'")) and between == "=")
    is_sure = pattern(_SURE).search(name) is not None
    if ":" in between and not name.lower().endswith("word") and "_" not in name and "-" not in name:
        is_sure = False  # prose
    return pattern(_BARE).match(text, found.end()) if is_pair or is_sure else None
