"""What is secret: by its name, and by its value. One answer for the log, the tickets and whatever else is written down.

The names are those of Sentry's EventScrubber and of Django's exception reporter, in one pattern that is searched for.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

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


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compiled when the first name is judged: a cold start judges none."""
    return re.compile(text, re.IGNORECASE)


def is_secret(name: object) -> bool:
    """Whether what has this name is likely to be secret: `new_password`, `X-Api-Key`, `csrf`."""
    if isinstance(name, bytes):
        name = name.decode("latin1")
    return isinstance(name, str) and _pattern(_NAME).search(name) is not None


def spelled(values: Iterable[str]) -> list[str]:
    """Each value that is worth looking for as it may stand in a text: as it is, quoted for an address, in the quotes of
    Python or JSON. The longest first, so that no part of one is found before it."""
    found: set[str] = set()
    for value in map(str, values):
        if len(value) >= SHORTEST:
            found |= {value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1], json.dumps(value)[1:-1]}
    return sorted(found, key=lambda value: (-len(value), value))


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
        elif len(value) >= _SHORTEST_VARIABLE and _pattern(_VARIABLE).search(name) and not os.path.isabs(value):
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
