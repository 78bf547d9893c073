"""What is said of a slow statement: its text without the values that somebody wrote into it, and where it is run."""

from __future__ import annotations

import os
import re
from types import FrameType

from demijohn.logs.formats import cut

#: Characters of a statement.
_LENGTH = 2000
_BETWEEN = frozenset(("sqlalchemy", "demijohn", "contextlib", "bottle", "jinja2"))


def without_literals(statement: str) -> str:
    """`statement` in one line, with `'...'` in place of each text in it: what a program writes into its SQL by itself
    is a visitor's, or a secret. Placeholders stay."""
    # The last text may have lost its end to the cut.
    literal = r"'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)|\$\$.*?(?:\$\$|\Z)"
    text = re.sub(literal, "'...'", statement[: 4 * _LENGTH], flags=re.DOTALL)
    return cut(" ".join(text.split()), _LENGTH)


def where(frame: FrameType | None) -> str:
    """`app/__init__.py:12 in show`: the innermost line that is neither SQLAlchemy's nor a part's; empty if none is."""
    ours = ""
    while frame is not None:
        code = frame.f_code
        top = frame.f_globals.get("__name__", "").partition(".")[0]
        if not code.co_filename.startswith("<"):  # SQLAlchemy makes functions at run time
            place = f"{_near(code.co_filename)}:{frame.f_lineno} in {code.co_name}"
            if frame.f_globals.get("__name__") == "demijohn.lifetime":
                return ours  # outside of it there is only the server
            if top not in _BETWEEN:
                return place
            if top == "demijohn":
                ours = place
        frame = frame.f_back
    return ours


def _near(file: str) -> str:
    """The last two names of a path: where the site lies is nothing for the log."""
    return "/".join(file.replace(os.sep, "/").split("/")[-2:])
