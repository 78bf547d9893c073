"""What is needed of YAML to write it."""

from __future__ import annotations

import json
import re


def quoted(text: str) -> str:
    """A text as a YAML scalar; JSON's quotes are YAML's."""
    return text if re.fullmatch(r"[/A-Za-z][\w./-]*", text) else json.dumps(text, ensure_ascii=False)
