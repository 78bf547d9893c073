"""What one host alone minds, found in files that are there. That a file is missing is told for every host alike, by
`demijohn check HOST`. Imported when somebody checks, never by a site."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from demijohn.findings import Finding


def line_of(text: str, pattern: str) -> int:
    """The first line of `text` in which `pattern` is found; 0: none."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)), 0)


def read_mapping(code: str, path: str, text: str, read: Callable[[str], Any]) -> tuple[dict[str, Any], list[Finding]]:
    """What a file of settings holds; nothing, and a finding, where it cannot be read or holds something else."""
    try:
        found = read(text)
    except Exception as error:
        message = f"{path} cannot be read: {str(error).splitlines()[0]}"
        return {}, [Finding(code, path, _line(error), message, "Mend it, or delete it and deploy again.")]
    if not isinstance(found, dict):
        return {}, [Finding(code, path, 1, f"{path} holds no names with values.", "Delete it and deploy again.")]
    return found, []


def read_json(code: str, path: str, text: str) -> tuple[dict[str, Any], list[Finding]]:
    return read_mapping(code, path, text, json.loads)


def read_yaml(code: str, path: str, text: str) -> tuple[dict[str, Any], list[Finding]]:
    import yaml

    return read_mapping(code, path, text, yaml.safe_load)


def _line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)  # yaml
    if mark is not None:
        return int(mark.line) + 1
    number = getattr(error, "lineno", None)  # json, tomllib from 3.14 on
    match = re.search(r"line (\d+)", str(error))
    return number if isinstance(number, int) else int(match[1]) if match else 0
