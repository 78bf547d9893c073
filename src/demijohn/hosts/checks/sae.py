"""config.yaml, as Sina App Engine reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from demijohn.findings import Finding
from demijohn.hosts.checks import line_of, read_yaml
from demijohn.hosts.plan import Plan
from demijohn.hosts.texts import existing

_PATH = "config.yaml"
#: Its development server takes these for options of its own (dev_server.py: `options.__dict__.update(conf)`).
_ITS_OWN = ("host", "port", "mysql", "storage", "kvdb")
#: What an entry of a list must have, one of each group.
_ENTRIES = {
    "handlers": (("url",), ("static_path", "static_dir", "gzip", "script", "expire", "mime_type")),
    "libraries": (("name",), ("version",)),
    "cron": (("url",), ("schedule",)),
}


def config_yaml(plan: Plan) -> Iterator[Finding]:
    text = existing(plan.root, _PATH)
    if not text:
        return
    values, unread = read_yaml("F255", _PATH, text)
    yield from unread
    for key in _ITS_OWN:
        if key in values:
            yield Finding(
                "F254",
                _PATH,
                line_of(text, rf"^['\"]?{key}['\"]?\s*:"),
                f"SAE's development server takes {key} at the top of config.yaml for an option of its own.",
                "Move it under the key demijohn, or app below it.",
            )
    if not unread:
        yield from _required(values, text)
        yield from _lists(values, text)


def _required(values: dict[str, Any], text: str) -> Iterator[Finding]:
    version = values.get("version")
    if not values.get("name"):
        yield _missing("name", "the site's name at SAE", text)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        yield _missing("version", "a whole number, 1 or more", text)


def _missing(key: str, what: str, text: str) -> Finding:
    message = f"SAE wants {key} at the top of config.yaml, {what}."
    return Finding("F255", _PATH, line_of(text, rf"^{key}\s*:"), message, "demijohn deploy sae writes it.")


def _lists(values: dict[str, Any], text: str) -> Iterator[Finding]:
    for key, groups in _ENTRIES.items():
        entries = values.get(key)
        if entries is None:
            continue
        line = line_of(text, rf"^{key}\s*:")
        if not isinstance(entries, list):
            yield Finding("F256", _PATH, line, f"{key} must be a list.", f"Begin each entry of {key} with a hyphen.")
            continue
        for number, entry in enumerate(entries, 1):
            lacking = [
                " or ".join(group[:2])
                for group in groups
                if not isinstance(entry, dict) or not any(entry.get(name) for name in group)
            ]
            if lacking:
                message = f"Entry {number} of {key} has no {' and no '.join(lacking)}."
                yield Finding("F256", _PATH, line, message, f"Add {' and '.join(lacking)} to it, or take it out.")
