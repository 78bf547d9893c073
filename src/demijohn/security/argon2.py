"""argon2id (RFC 9106), by argon2-cffi."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

from demijohn.errors import PasswordError

#: KiB of memory, passes over it, lanes.
MEMORY, TIME, LANES = 19 * 1024, 2, 1

_SALT, _KEY = 16, 32  # bytes
_STORED = (
    r"\$argon2(id|i|d)\$v=(?:16|19)\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]?),p=([1-9][0-9]?)"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)
#: KiB, passes and lanes that a stored hash may cost: where the table was tampered with, one sign-in must not cost an
#: hour. argon2-cffi's own defaults have been 100 MiB at most.
_MOST = (128 * 1024, 16, 16)


def installed() -> bool:
    """Whether argon2-cffi is."""
    return _library() is not None


def is_one(stored: str) -> bool:
    """Whether a stored hash says that argon2 made it."""
    return stored.startswith("$argon2")


def costs() -> tuple[int, int, int]:
    """What a new hash costs: `MEMORY`, `TIME`, `LANES`."""
    return MEMORY, TIME, LANES


def make(password: bytes) -> str:
    """A new hash: `$argon2id$v=19$m=19456,t=2,p=1$salt$key`."""
    library = _library().low_level
    made: bytes = library.hash_secret(password, os.urandom(_SALT), TIME, MEMORY, LANES, _KEY, library.Type.ID)
    return made.decode("ascii")


def check(password: bytes, stored: str) -> bool:
    library = _library()
    kind = library.Type[stored[len("$argon2") :].partition("$")[0].upper()]
    try:
        return bool(library.low_level.verify_secret(stored.encode("ascii"), password, kind))
    except library.exceptions.VerifyMismatchError:
        return False
    except library.exceptions.VerificationError:  # what looks like a hash, and cannot be read
        raise _unreadable() from None


def parse(stored: str) -> tuple[int, int, int]:
    """What a stored hash cost.

    :raises PasswordError: it is none, its costs are out of bounds, or argon2-cffi is not installed.
    """
    if not installed():
        raise PasswordError(
            "The stored password was made by argon2, which is not installed, so nobody who has such a one can sign in. "
            "Install it: pip install 'demijohn[argon2]'"
        )
    match = re.fullmatch(_STORED, stored)
    cost = tuple(map(int, match.groups()[1:])) if match else ()
    if match is None or any(here > most for here, most in zip(cost, _MOST, strict=True)):
        raise _unreadable()
    memory, time, lanes = cost
    return (memory, time, lanes) if match[1] == "id" else (0, time, lanes)  # another kind is never today's


def _unreadable() -> PasswordError:
    # The value itself is left out: who knows what stands there.
    return PasswordError(
        "The stored password is not one that hash_password made: it should read $argon2id$v=19$m=19456,t=2,p=1$...$...,"
        " of which the rest is missing or wrong. Is the column shorter than 100 characters?"
    )


@cache
def _library() -> Any:
    """argon2-cffi, imported at the first password; None where it cannot be."""
    try:
        import argon2
    except ImportError:
        return None
    return argon2
