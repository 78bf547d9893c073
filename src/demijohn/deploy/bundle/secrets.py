"""Finds secrets in the text of a site: by their values, as far as this machine knows them, and private keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from demijohn import config
from demijohn.config import OPTIONS, Secret
from demijohn.deploy.bundle.errors import Leak

#: A shorter value is likely to stand in a text by chance, and so is a word.
SHORTEST, LONG = 8, 16
_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE
)
_PASSWORD = re.compile(r"\w://[^:/@\s]*:([^/\s]+)@")
_LINE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\\r|\\n|\s)+(?:Proc-Type|[A-Za-z0-9+/]{32})")


def known(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets that this machine knows, each with whose it is: of the settings, of the environment, of .env."""
    found: dict[str, str] = {}
    settings, _ = config.read(root, environ=environ)
    for name in settings:
        if name == "app":
            continue  # the site's own: nobody knows which of them are secret
        value = settings[name]
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
    return {value: whose for value, whose in found.items() if _is_telling(value)}


def leaks(files: Mapping[str, Path], secrets: Mapping[str, str]) -> Iterator[Leak]:
    """Where `secrets`, or private keys, stand in `files`."""
    values = {value.encode(): whose for value, whose in secrets.items()}
    for name, path in files.items():
        data = path.read_bytes()
        places = {data.find(value): whose for value, whose in values.items() if value in data}
        key = _PRIVATE_KEY.search(data)
        if key is not None:
            places.setdefault(key.start(), "a private key")
        for at, what in sorted(places.items()):
            yield Leak(name, data.count(b"\n", 0, at) + 1, what)


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
