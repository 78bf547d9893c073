"""Files that a site shares with its host, or several hosts with each other: what a host wants is put in, what stands
there already stays, to the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from demijohn.hosts.plan import Plan
from demijohn.hosts.texts import existing
from demijohn.hosts.texts.yaml import quoted

_PROCESS = r"([A-Za-z0-9_-]+)\s*:\s*\S"
#: A key of ours at the top of config.yaml, and the comments right above it.
_OURS = r"(?m)^(?:#.*\n)*demijohn[ \t]*:"


def procfile(plan: Plan, **processes: str) -> str:
    """Procfile with these processes; an empty one is left out. The lines of others stay where they are."""
    left = {name: command for name, command in processes.items() if command}
    lines = []
    for line in existing(plan.root, "Procfile").splitlines():
        match = re.match(_PROCESS, line)
        name = match[1] if match else ""
        lines.append(f"{name}: {left.pop(name)}" if name in left else line)
    lines += [f"{name}: {command}" for name, command in left.items()]
    return "\n".join(lines) + "\n"


def python_version(plan: Plan) -> str:
    """.python-version, as it is if it says more exactly what is planned."""
    found = existing(plan.root, ".python-version")
    exact = re.fullmatch(rf"{re.escape(plan.python)}(\.\d+)?", found.strip())
    return found if exact else f"{plan.python}\n"


def json_file(plan: Plan, name: str, wanted: Mapping[str, Any]) -> str:
    """A JSON file with what is wanted. What stands in it already is stronger; what is no object of JSON stays."""
    text = existing(plan.root, name)
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError:
        return text
    if not isinstance(found, dict):
        return text
    whole = _filled(found, wanted)
    return text if whole == found else json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _filled(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(found)
    for key, value in wanted.items():
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = _filled(whole[key], value)
        else:
            whole.setdefault(key, value)
    return whole


def lines(plan: Plan, name: str, *wanted: str) -> str:
    """A file of lines, such as .gitignore, with these lines in it."""
    text = existing(plan.root, name)
    there = {line.strip() for line in text.splitlines()}
    missing = "".join(f"{line}\n" for line in wanted if line not in there)
    return f"{text}\n{missing}" if text and not text.endswith("\n") and missing else text + missing


def variables(plan: Plan, name: str, wanted: Mapping[str, str]) -> str:
    """A file of NAME=VALUE. A variable that is there already stays as it is."""
    text = existing(plan.root, name)
    there = {line.partition("=")[0].strip() for line in text.splitlines()}
    return lines(plan, name, *(f"{key}={value}" for key, value in wanted.items() if key not in there))


def config_yaml(plan: Plan) -> str:
    """config.yaml with what Sina App Engine wants at its top: `name`, `version`, `handlers`. They come before our own
    key, which is not touched, and what the file says of them already stays."""
    text = existing(plan.root, "config.yaml")
    wanted = {"name": f"name: {quoted(plan.name)}\n", "version": "version: 1\n", "handlers": _handlers(plan)}
    missing = [block for key, block in wanted.items() if not re.search(rf"(?m)^(['\"]?){key}\1[ \t]*:", text)]
    if not missing:
        return text
    ours = re.search(_OURS, text)
    at = ours.start() if ours else len(text)
    body = text[:at].rstrip()
    blank = text[len(body) : at].partition("\n")[2] or ("\n" if ours else "")
    whole = (f"{body}\n" if body else "") + "".join(missing) + blank + text[at:]
    return whole if _same(text, whole) else text


def _same(before: str, after: str) -> bool:
    """Whether what could be read before reads the same now. One mapping between braces, say, takes no more lines."""
    import yaml

    try:
        old, new = yaml.safe_load(before) or {}, yaml.safe_load(after)
    except yaml.YAMLError:
        return False
    return isinstance(old, dict) and isinstance(new, dict) and {**new, **old} == new


def _handlers(plan: Plan) -> str:
    pairs = [(plan.static_url.rstrip("/") + "/", plan.static_path)]
    pairs += [(f"/{name}", f"{plan.static_path}/{name}") for name in plan.at_root]
    return "handlers:\n" + "".join(f"- url: {quoted(url)}\n  static_path: {quoted(path)}\n" for url, path in pairs)
