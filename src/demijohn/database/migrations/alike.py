"""What is the same, though a database puts it otherwise than the models do. Alembic calls these in a comparison."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

#: Bytes that MySQL's texts and blobs hold at most.
_MOST = (2**8 - 1, 2**16 - 1, 2**24 - 1, 2**32 - 1)
_SIZES = {
    f"{size}{kind}": (kind, most)
    for kind in ("TEXT", "BLOB")
    for size, most in zip(("TINY", "", "MEDIUM", "LONG"), _MOST, strict=True)
}
_NOW = re.compile(r"(?:now|current_timestamp|localtimestamp)(?:\(\))?")


def types_differ(context: Any, _column: Any, _wanted_column: Any, found: Any, wanted: Any) -> bool | None:
    """Whether a column's type has changed; None: as Alembic thinks."""
    if context.dialect.name not in ("mysql", "mariadb"):
        return None
    # TEXT(70000) is made the smallest text that is large enough for so many characters, of one to four bytes each.
    wanted = wanted.dialect_impl(context.dialect)
    kind, most = _SIZES.get(found.__visit_name__.upper(), ("", 0))
    length = getattr(wanted, "length", None)
    if not kind or length is None or wanted.__visit_name__.upper() not in (kind, "LARGE_BINARY"):
        return None
    return not any(
        most == min((size for size in _MOST if size >= length * width), default=most) for width in (1, 2, 3, 4)
    )


def defaults_differ(
    _context: Any, _column: Any, _wanted_column: Any, found: str | None, _wanted: Any, rendered: str | None
) -> bool | None:
    """Whether a column's default on the server has changed; None: as Alembic thinks."""
    if found is None or rendered is None:
        return None
    return False if _meaning(found) == _meaning(rendered) else None


def _meaning(default: str) -> Any:
    """`'0'`, `0`, `(0)`, `0.00` and `false` are one; so are `now()` and `CURRENT_TIMESTAMP`, and no text at all."""
    text = default.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    word = text.lower()
    if _NOW.fullmatch(word):
        return "now"
    if word in ("false", "true"):
        return Decimal(word == "true")
    if text in ("", "''"):
        return ""
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
    try:
        return Decimal(bare)
    except InvalidOperation:
        return text
