"""The lines that an error came by, each with its source and its variables: for the eyes of a developer."""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import bottle

from demijohn.secrecy import HIDDEN, is_secret
from demijohn.secrecy.hiding import Secrets
from demijohn.tickets.facts import SEARCHED
from demijohn.tickets.fingerprint import Code, Place

#: Lines of source before and after the one that matters.
BEFORE, AFTER = 5, 4
#: Frames of one error, from its beginning and its end; a recursion has a thousand.
FIRST, LAST = 20, 30
#: Characters of one value, items of one collection, how deep it is looked into, and how many variables.
VALUE, ITEMS, DEPTH, VARIABLES = 600, 30, 4, 60


class Frame(NamedTuple):
    place: Place
    #: The number of a line and its text.
    source: list[tuple[int, str]]
    #: Names and what they stand for.
    variables: list[tuple[str, str]]


def frames(error: BaseException, code: Code, secrets: Secrets) -> list[Frame | int]:
    """The frames, the outermost first; a number stands for as many that are left out."""
    walked = list(_walk(error.__traceback__))
    places = list(code.places(error.__traceback__))
    keep = [*range(min(FIRST, len(walked))), *range(max(FIRST, len(walked) - LAST), len(walked))]
    found: list[Frame | int] = []
    for index in keep:
        if index == len(walked) - LAST and index > FIRST:
            found.append(index - FIRST)
        frame, place = walked[index], places[index]
        found.append(
            Frame(place, excerpt(place.file, place.line, frame, secrets), variables(frame, secrets, place.own))
        )
    return found


def excerpt(file: str, line: int, frame: FrameType | None, secrets: Secrets) -> list[tuple[int, str]]:
    """The lines around `line`; none where the source cannot be had. What is secret by its name is not shown here
    either: `password = "..."`."""
    linecache.checkcache(file)  # in development files change
    lines = linecache.getlines(file, frame.f_globals if frame is not None else None)
    first = max(1, line - BEFORE)
    text = "".join(lines[first - 1 : line + AFTER])
    return list(enumerate(secrets.source(text).splitlines(), first))


def variables(frame: FrameType, secrets: Secrets, own: bool = True) -> list[tuple[str, str]]:
    """The local variables. Those of packages without the `repr` of their objects: it may be slow, or never end, as that
    of Bottle's Route for a handler that names itself."""
    try:
        values: Mapping[str, Any] = dict(frame.f_locals)
    except Exception:
        return []
    names = [name for name in values if not (name.startswith("__") and name.endswith("__"))]
    shown = [(name, HIDDEN if is_secret(name) else show(values[name], secrets, own)) for name in names[:VARIABLES]]
    if len(names) > VARIABLES:
        shown.append(("...", f"{len(names) - VARIABLES} more"))
    return shown


def show(value: Any, secrets: Secrets, own: bool = True) -> str:
    """A value as Python would write it, cut, without secrets, whatever its own `repr` does.

    :param own: ask objects for their `repr`.
    """
    text = secrets.hide(_Shown(secrets, own).of(value, DEPTH))
    return text if len(text) <= VALUE else f"{text[:VALUE]}... ({len(text):,} characters)"


class _Shown:
    def __init__(self, secrets: Secrets, own: bool) -> None:
        self._secrets = secrets
        self._own = own

    def of(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind in (str, bytes) and len(value) > VALUE - 20:
            text = value if kind is str else value.decode("latin1")
            shown = self._secrets.hide(text, most=SEARCHED)[: VALUE // 2]  # half of a secret would not be known
            return f"{'' if kind is str else 'b'}{shown!r}... ({len(value):,} in all)"
        if kind in (list, tuple, set, frozenset, dict):
            return self._collection(value, depth)
        if kind is int and value.bit_length() > 8 * VALUE:
            return f"<int of {value.bit_length():,} bits>"  # Python refuses to write it out
        if kind not in _PLAIN and (not self._own or kind is bottle.Route):
            return f"<{kind.__module__}.{kind.__qualname__}>"
        try:
            text = repr(value)
        except Exception as error:
            return f"<{kind.__name__}, whose repr raises {type(error).__name__}>"
        return text if len(text) <= 2 * VALUE else self._secrets.hide(text, most=SEARCHED)[: 2 * VALUE] + "..."

    def _collection(self, value: Any, depth: int) -> str:
        brackets = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
        if not value:
            return f"{value!r}"
        if depth == 0:
            return f"{brackets[0]}... {len(value):,}{brackets[1]}"
        parts: list[str] = []
        for item in value if not isinstance(value, dict) else value.items():
            if len(parts) == ITEMS:
                parts.append(f"... {len(value) - ITEMS:,} more")
                break
            parts.append(self._pair(item, depth) if isinstance(value, dict) else self.of(item, depth - 1))
        return brackets[0] + ", ".join(parts) + brackets[1]

    def _pair(self, item: tuple[Any, Any], depth: int) -> str:
        name, value = item
        return f"{self.of(name, 0)}: {HIDDEN if is_secret(name) else self.of(value, depth - 1)}"


_PLAIN = (str, bytes, int, float, complex, bool, type(None))


def _walk(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
