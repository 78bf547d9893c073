"""Which errors are equal: those of one type that came by the same lines of the site's own code.

The text of the lines counts, not their numbers, so that an error is the same one in the next release.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

#: Digits and letters that nobody takes for others when they are read out.
ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
#: Errors of one chain, or of one group, that are looked at.
MOST = 5
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PACKAGES = ("site-packages", "dist-packages")


class Place(NamedTuple):
    """A line that an error came by."""

    #: Relative to the site's folder where it lies there, else the file's name.
    path: str
    line: int
    function: str
    #: Whether it is the site's own code.
    own: bool
    #: Where the file is.
    file: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}"


class Code:
    """Tells the site's own code from that of packages, of Python and of Demijohn.

    :param root: the site's folder.
    """

    def __init__(self, root: str | os.PathLike[str] | None) -> None:
        self.root = None if root is None else os.path.join(os.path.abspath(root), "")
        self._foreign = tuple(os.path.join(folder, "") for folder in (_OURS, os.path.dirname(os.__file__)))
        self._prefix = os.path.join(sys.prefix, "")
        #: A site below the folder of its Python, as in /usr/src.
        self._below = self.root is not None and self.root.startswith(self._prefix)

    def places(self, traceback: TracebackType | None) -> Iterator[Place]:
        """Each line, the outermost first."""
        while traceback is not None:
            code = traceback.tb_frame.f_code
            path, own = self._look(code.co_filename)
            yield Place(path, traceback.tb_lineno, code.co_name, own, code.co_filename)
            traceback = traceback.tb_next

    def place(self, error: BaseException) -> str:
        """The last line of the site's own code; else the last of all, or nothing."""
        last = None
        for place in self.places(error.__traceback__):
            if place.own or last is None or not last.own:
                last = place
        return "" if last is None else str(last)

    def fingerprint(self, error: BaseException) -> str:
        """The id that equal errors have: `k7m2-p9xw`."""
        digest = hashlib.blake2b("\n".join(self._parts(error)).encode("utf8", "backslashreplace"), digest_size=8)
        number = int.from_bytes(digest.digest(), "big")
        letters = []
        for _ in range(8):
            number, rest = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[rest])
        return f"{''.join(letters[:4])}-{''.join(letters[4:])}"

    def _parts(self, error: BaseException) -> Iterator[str]:
        for link in chain(error):
            yield name_of(link)
            own: dict[str, None] = {}  # each once: how deep a recursion was does not count
            last = None
            for place in self.places(link.__traceback__):
                last = place
                if place.own:
                    own[f"{place.path}:{place.function}:{linecache.getline(place.file, place.line).strip()}"] = None
            if not own and last is not None:
                own[f"{os.path.basename(last.path)}:{last.function}"] = None
            yield from own
            if isinstance(link, SyntaxError) and not str(link.filename).startswith("<"):
                yield f"{link.filename}:{link.text}"  # what is in no file, as in `<string>`, may be a visitor's

    def _look(self, file: str) -> tuple[str, bool]:
        if file.startswith("<"):
            return file, False
        path = os.path.abspath(file)
        inside = self.root is not None and path.startswith(self.root)
        foreign = path.startswith(self._foreign) or any(f"{os.sep}{folder}{os.sep}" in path for folder in _PACKAGES)
        foreign = foreign or (path.startswith(self._prefix) and not (inside and self._below))
        return (os.path.relpath(path, self.root) if inside else _short(path)), not foreign


def name_of(error: BaseException) -> str:
    """The type of an error as a traceback writes it: `ValueError`, `app.WrongError`."""
    kind = type(error)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def chain(error: BaseException) -> list[BaseException]:
    """The error, those that it was raised from, and those that it groups: at most MOST of each."""
    found: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(found) < MOST and link not in found:
        found.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    members: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if isinstance(members, (tuple, list)):  # BaseExceptionGroup, from Python 3.11
        found.extend(member for member in members[:MOST] if isinstance(member, BaseException))
    return found


def _short(path: str) -> str:
    """A path from the package on: `bottle.py`, `jinja2/environment.py`."""
    for folder in _PACKAGES:
        _, found, rest = path.rpartition(f"{os.sep}{folder}{os.sep}")
        if found:
            return rest
    return os.sep.join(path.split(os.sep)[-2:])
