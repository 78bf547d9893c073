"""Passwords, kept as hashes: argon2id where argon2-cffi is installed, else scrypt.

Both with settings that OWASP's Password Storage Cheat Sheet names: argon2id with 19 MiB and two passes takes 40 ms on
one core, scrypt with 2^14, 8, 5 takes 17 MB and 0.3 s. Hashes of either kind are checked, whatever they were made with.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from demijohn.errors import PasswordError
from demijohn.security import argon2, scrypt
from demijohn.security.crunching import crunch

#: Longest password, in characters. Nobody types more, and what is longer would be normalised at the site's expense.
MAX_LENGTH = 1024


def hash_password(text: str) -> str:
    """What to store for a password: `$argon2id$v=19$m=19456,t=2,p=1$salt$key`, 97 characters of ASCII, or
    `$scrypt$ln=14,r=8,p=5$salt$key`, 85 (the PHC string format).

    Each call gives another one, for it draws a salt. Other threads run meanwhile; two passwords at a time are hashed in
    each process, and further ones wait.

    :raises PasswordError: it is empty, longer than `MAX_LENGTH`, or no text; the message may be shown to the visitor.
    """
    prepared = _prepare(text)
    return crunch(argon2.make if argon2.installed() else scrypt.make, prepared)


def check_password(text: str, stored: str | None) -> bool:
    """Whether `text` is the password that `stored` was made of.

    Where there is no such user, pass None: the answer is False after the work that a new hash takes, so that the time
    does not tell who has an account. It does tell who has one with a hash of the other kind: see `needs_rehash`.

    :raises PasswordError: `stored` is not what `hash_password` makes, or argon2 made it and is not installed here.
    """
    try:
        prepared = _prepare(text)
    except PasswordError:
        return False  # hash_password would have refused it, for anyone
    if stored is None:
        crunch(argon2.make if argon2.installed() else scrypt.make, prepared)
        return False
    scheme = argon2 if argon2.is_one(stored) else scrypt
    scheme.parse(stored)
    check: Callable[[bytes, str], bool] = scheme.check
    return crunch(check, prepared, stored)


def needs_rehash(stored: str) -> bool:
    """Whether `hash_password` would make another kind of hash today. Whoever signs in has just typed the password:

        if check_password(password, user.password):
            if needs_rehash(user.password):
                user.password = hash_password(password)

    :raises PasswordError: as `check_password`.
    """
    scheme = argon2 if argon2.is_one(stored) else scrypt
    costs = scheme.parse(stored)
    return scheme is not (argon2 if argon2.installed() else scrypt) or costs != scheme.costs()


def _prepare(text: str) -> bytes:
    """The password as bytes, by the rules of RFC 8265 section 4.2.2 (OpaqueString): any space is a space, then NFC.

    Not NFKC: it would make different passwords equal ("x²" and "x2"), and the RFC names NFC. Without either, a password
    with an "é" typed on a Mac could be refused on a phone.
    """
    if not text:
        raise PasswordError("A password cannot be empty. Please choose one.")
    if not isinstance(text, str):  # out of a JSON document, say
        raise PasswordError("A password is a text. Please choose another.")
    if len(text) > MAX_LENGTH:
        raise PasswordError(
            f"This password has {len(text):,} characters, and {MAX_LENGTH:,} is the most. Please choose a shorter one."
        )
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    try:
        return unicodedata.normalize("NFC", spaced).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        raise PasswordError("This password holds something that is not a character. Please choose another.") from None
