"""What is needed of YAML to write it."""

from __future__ import annotations

import json
import re

#: What YAML 1.1 takes for something else than a text.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def quoted(text: str) -> str:
    """A text as a YAML scalar; JSON's quotes are YAML's."""
    plain = re.fullmatch(r"[/A-Za-z][\w./-]*", text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
