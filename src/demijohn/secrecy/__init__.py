"""What is secret: by its name, by its value, and in a request. One answer for the log, the tickets and whatever else is
written down; `hiding` takes it out of a text.

The names are those of Sentry's EventScrubber and of Django's exception reporter, in one pattern that is searched for.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

# Not later: gunicorn's first process has this module without the package, and may not import Bottle (gevent).
from demijohn.config.secret import Secret

#: What stands in the place of a secret.
HIDDEN = "(hidden)"
#: Characters. A shorter value is too likely to be an ordinary word, and is not looked for.
SHORTEST = 6
_NAME = (
    r"pass(?:w|_|-|phrase|code|\d|$)|pwd|pswd|secret|token|(?:api|private|access)[_-]?key|(?<![a-z])key(?!board|word|error)|"
    r"key$|(?<![a-z])api(?![a-z])|authori[sz]|authent|oauth|(?<![a-z])auth(?![a-z])|(?<![a-z])sess|session|cookie|csrf|"
    r"xsrf|signature|(?<![a-z])sig(?![a-z])|credential|(?<![a-z])creds?(?![a-z])|(?<![a-z])dsn|private|"
    r"(?<![a-z])salt|nonce|(?<![a-z])(?:otp|totp|pin|cvv|cvc|ssn|iban)(?![a-z])|card_?number|bearer|jwt"
)
#: Of variables only these: a shell has a PWD, which is a folder, and a SESSION_MANAGER.
_VARIABLE = r"PASSW|PASSPHRASE|_PASS$|SECRET|TOKEN|CREDENTIAL|DSN$|_KEY$|APIKEY|PRIVATE_?KEY|ACCESS_?KEY"
_SHORTEST_VARIABLE = 8
#: What a visitor may well send a secret under, in an address or a form, beside what is called so anywhere.
_FIELDS = frozenset(("pass", "code", "state", "sid", "next"))
#: Characters of what a visitor sends: of a value under a secret name, and of that of any cookie.
_SHORTEST_FIELD, _SHORTEST_COOKIE = 4, 12
#: Values of one request that are looked for; each line that is written in it is searched for each of them.
_MOST_VALUES = 200
#: A name and a value in a query, or in a whole address.
_PAIR = r"(?<![^&;?#])(?P<name>[^&;?#=]+)=(?P<value>[^&;#]*)"
#: How deep addresses in addresses are looked into. Each takes a search of its own.
_DEPTH = 3


@functools.cache
def pattern(text: str) -> re.Pattern[str]:
    """`text`, in letters of any case; compiled when it is first looked for: a cold start looks for nothing."""
    return re.compile(text, re.IGNORECASE)


def is_secret(name: object) -> bool:
    """Whether what has this name is likely to be secret: `new_password`, `X-Api-Key`, `csrf`."""
    if isinstance(name, bytes):
        name = name.decode("latin1")
    return isinstance(name, str) and pattern(_NAME).search(name) is not None


def is_secret_field(name: str) -> bool:
    """Whether what visitors send under this name is likely to be secret. A `code` or a `state` lets somebody in."""
    return name.lower() in _FIELDS or is_secret(name) or "authenticity" in name.lower()


def spelled(values: Iterable[str]) -> list[str]:
    """Each value that is worth looking for as it may stand in a text: as it is, quoted for an address, in the quotes of
    Python or JSON. The longest first, so that no part of one is found before it."""
    found: set[str] = set()
    for value in map(str, values):
        if len(value) >= SHORTEST:
            found |= {value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1], json.dumps(value)[1:-1]}
    return longest_first(found)


def longest_first(values: Iterable[str]) -> list[str]:
    return sorted(values, key=lambda value: (-len(value), value))


def in_url(url: str) -> list[str]:
    """The passwords in an address, as they are written and as they are meant: before the `@`, and in the query."""
    rest = url.partition("://")[2] or url
    account, at, place = rest.rpartition("@")
    password = account.partition(":")[2] if at else ""
    query = (place if at else rest).partition("?")[2]
    found = [password, unquote(password), *(value for name, value in parse_qsl(query) if is_secret(name))]
    return [value for value in found if value]


def of_environment(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The values of variables whose names say that they are secret, and the passwords in addresses."""
    found = []
    for name, value in environ.items():
        if "://" in value:
            found += in_url(value)
        elif len(value) >= _SHORTEST_VARIABLE and pattern(_VARIABLE).search(name) and not os.path.isabs(value):
            found.append(value)
    return found


def of_settings(settings: Mapping[str, Any]) -> list[str]:
    """The secrets in a site's settings, the passwords in its addresses, and what under `app` has a secret's name."""
    found: list[str] = []
    for name in settings:
        value = settings[name]
        for text in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(text, Secret):
                found.append(str.__str__(text))
            elif isinstance(text, str) and ("://" in text or "@" in text):
                found += in_url(str.__str__(text))
        if isinstance(value, Mapping):  # the site's own, under `app`
            found += _of_tree(value, secret=False)
    return found


def _of_tree(value: Any, secret: bool) -> list[str]:
    if isinstance(value, Mapping):
        return [text for name, item in value.items() for text in _of_tree(item, secret or is_secret(str(name)))]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _of_tree(item, secret)]
    if isinstance(value, str):
        return [value] if secret else in_url(value) if "://" in value else []
    return [str(value)] if secret and isinstance(value, int) and not isinstance(value, bool) else []


def of_request(environ: Mapping[str, Any]) -> list[str]:
    """What in this request is secret, the longest first: cookies, credentials, and what was sent under a secret's name.
    What nobody has read of the body is not read here."""
    found: set[str] = set()
    for pair in environ.get("HTTP_COOKIE", "").split(";"):
        value = pair.partition("=")[2].strip().strip('"')
        if len(value) >= _SHORTEST_COOKIE:
            found |= {value, unquote(value)}
    for name, value in environ.items():
        if name[:5] == "HTTP_" and _is_secret_header(name) and len(value) >= _SHORTEST_FIELD:
            credentials = value.partition(" ")[2].strip()
            found |= {credentials, *_password(credentials)} if credentials else {value}
    fields: list[tuple[Any, Any]] = parse_qsl(environ.get("QUERY_STRING", ""), errors="replace")
    fields += (environ.get("route.url_args") or {}).items()
    for kept in ("bottle.request.post", "bottle.request.forms", "bottle.request.json"):
        fields += _fields(environ.get(kept))
    for name, value in fields:
        if isinstance(value, str) and len(value) >= _SHORTEST_FIELD and is_secret_field(str(name)):
            found |= _decoded(value)
    return longest_first(found)[:_MOST_VALUES]


def of_path(arguments: Mapping[str, Any]) -> list[str]:
    """What in a path stands where its route has a name for secrets, as PATH_INFO has it."""
    return [
        value.encode().decode("latin-1")
        for name, value in arguments.items()
        if isinstance(value, str) and len(value) >= _SHORTEST_FIELD and is_secret_field(str(name))
    ]


def address(text: str, depth: int = 0) -> str:
    """An address, or a query, with what stands under secret names hidden: there, and in the addresses that it bears.
    What is wrapped up deeper than anybody means it is hidden as a whole."""
    return pattern(_PAIR).sub(lambda pair: _hide_pair(pair, depth), text) if "=" in text else text


def query(text: str) -> str:
    """As `address`, of what is WSGI's, in ASCII."""
    return quote(address(text).encode("latin-1", "replace"), safe="%/:@!$&'()*+,;=~?#")


def _hide_pair(match: re.Match[str], depth: int) -> str:
    name, value = match.groups()
    if is_secret_field(unquote_plus(name)):
        return f"{name}={HIDDEN}"
    if "=" in (inner := unquote(value)) and inner != value:
        if depth == _DEPTH:
            return f"{name}={HIDDEN}"
        hidden = address(inner, depth + 1)
        if hidden != inner:
            return f"{name}={quote(hidden, safe='/()')}"
    return match[0]


@functools.lru_cache(maxsize=256)
def _is_secret_header(name: str) -> bool:
    return name != "HTTP_COOKIE" and is_secret(name)


def _fields(kept: Any) -> Iterable[tuple[Any, Any]]:
    """The pairs of what Bottle has kept of a body: a form, or JSON."""
    if hasattr(kept, "allitems"):
        return list(kept.allitems())
    return list(islice(_pairs(kept), 10 * _MOST_VALUES))


def _pairs(tree: Any, name: str = "", depth: int = 20) -> Iterable[tuple[str, str]]:
    if isinstance(tree, dict) and depth:
        for key, value in tree.items():
            yield from _pairs(value, name if is_secret_field(name) else str(key), depth - 1)
    elif isinstance(tree, list) and depth:
        for value in tree:
            yield from _pairs(value, name, depth - 1)
    elif isinstance(tree, (str, int)) and not isinstance(tree, bool):
        yield name, str(tree)


def _decoded(value: str) -> set[str]:
    """Bottle keeps a form's text as Latin-1; a traceback has it as it was read."""
    try:
        return {value, value.encode("latin-1").decode("utf-8")}
    except UnicodeError:
        return {value}


def _password(credentials: str) -> list[str]:
    import base64

    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        return []
    password = text.partition(":")[2]
    return [password] if len(password) >= _SHORTEST_FIELD else []
