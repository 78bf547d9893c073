"""Finds secrets in the text of a site: by their values, as far as this machine knows them, and private keys."""

from __future__ import annotations

import base64
import json
import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from demijohn import config
from demijohn.config import OPTIONS, Secret
from demijohn.config.rules import DEVELOPMENT_SECRET
from demijohn.deploy.bundle.errors import Leak

#: A shorter value is likely to stand in a text by chance, and so is a word.
SHORTEST, LONG = 8, 16
_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE
)
#: What a setting of the site's own is called that is secret. Not `token_header`, or `password_length`.
_SETTING = re.compile(
    r"(^|[_-])(secret|password|passwd|passphrase|token|credentials?|(secret|api|private|access)[_-]?key)$",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"\w://[^:/@\s]*:([^/\s]+)@")
_LINE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\r|\\n|\s)+(?:Proc-Type|[A-Za-z0-9+/]{32})"
    rb"|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1[0-9A-Z]{58}"
)
#: GitHub's, Stripe's and Slack's, which begin so that they can be found.
_TOKEN = re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|sk_live_[A-Za-z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{20})")
#: A larger file, in bytes, is no text that somebody has written.
_TEXT = 1024 * 1024


def known(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets that this machine knows, each with whose it is: of the settings, of the environment, of .env."""
    found: dict[str, str] = {}
    settings, _ = config.read(root, environ=environ)
    for name in settings:
        value = settings[name]
        if name == "app":
            found.update(_named(value))
            continue
        values = value if isinstance(value, tuple) else (value,)
        for each in values:
            option = OPTIONS.get(name)
            if isinstance(each, Secret) or (option is not None and option.secret):
                found.setdefault(str(each or ""), f"the value of {name}")
            elif isinstance(each, str):
                found.update((password, f"the password in {name}") for password in _passwords(each))
    for name, value in _variables(root, environ):
        if _NAME.search(name):
            found.setdefault(value, f"the value of {name}")
        for password in _passwords(value):
            found.setdefault(password, f"the password in {name}")
    for path in root.glob("*requirements*.txt"):  # the address of an index
        for password in _passwords(path.read_text(encoding="utf-8", errors="replace")):
            found.setdefault(password, "the password in an address")
    found.pop(str.__str__(DEVELOPMENT_SECRET), None)  # it stands in Demijohn's own source
    return {value: whose for value, whose in found.items() if _is_telling(value)}


def leaks(files: Mapping[str, Path], secrets: Mapping[str, str], of_others: bool = False) -> Iterator[Leak]:
    """Where `secrets` stand in `files`, as they are or written in another way; and private keys, and access tokens.

    :param of_others: these are no files of the site's own: only the secrets count, as they are.
    :raises OSError: a file cannot be read.
    """
    values = {value.encode("utf-8", "surrogateescape"): whose for value, whose in secrets.items()}
    disguised = {form: whose for value, whose in values.items() for form in _forms(value)}
    for name, path in files.items():
        data = _content(path)
        wanted = values if of_others or len(data) > _TEXT else disguised
        places = {at: whose for value, whose in wanted.items() if (at := data.find(value)) >= 0}
        for pattern, what in () if of_others else ((_PRIVATE_KEY, "a private key"), (_TOKEN, "an access token")):
            match = pattern.search(data)
            if match is not None:
                places.setdefault(match.start(), what)
        for at, what in sorted(places.items()):
            yield Leak(name, data[:at].count(b"\n") + 1, what)


def _content(path: Path) -> Any:
    """Its bytes; of a large file without taking memory for it."""
    with path.open("rb") as file:
        if path.stat().st_size <= _TEXT:
            return file.read()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _forms(value: bytes) -> set[bytes]:
    """How a text may hold `value`: as it is, within quotes, in an address, in base64 with something before it."""
    text = value.decode("utf-8", "surrogateescape")
    plain = {value, quote(value, safe="").encode(), json.dumps(text)[1:-1].encode()}
    # Of the characters of base64, those at either end also depend on the bytes beside the value.
    packed = {
        base64.b64encode(bytes(before) + value)[(8 * before + 5) // 6 : 8 * (before + len(value)) // 6]
        for before in range(3)
    }
    return plain | packed | {each.replace(b"+", b"-").replace(b"/", b"_") for each in packed}


def _named(settings: Any) -> Iterator[tuple[str, str]]:
    """Settings of the site's own that are called as secrets are, and are no words."""
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        if isinstance(value, str) and _SETTING.search(name) and re.search(r"\d", value) and not re.search(r"\s", value):
            yield value, f"the value of app.{name}"
        yield from _named(value)


def _variables(root: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those of this process, and those that files such as .env set."""
    yield from environ.items()
    for path in sorted(root.glob(".env*")):
        if path.is_file():
            for name, value in _LINE.findall(path.read_text(encoding="utf-8", errors="replace")):
                yield f"{name} in {path.name}", value.strip("'\"")


def _passwords(text: str) -> set[str]:
    found = _PASSWORD.findall(text)
    return {*found, *map(unquote, found)}


def _is_telling(value: str) -> bool:
    """Whether a text that holds it does so for a reason."""
    return len(value) >= (LONG if value.isalpha() else SHORTEST)
