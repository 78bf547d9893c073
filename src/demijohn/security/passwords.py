"""Passwords, kept as scrypt hashes.

2^14, 8, 5 is one of the settings that OWASP's Password Storage Cheat Sheet calls equal, and the quickest of them. It
takes 14 MB and 0.3 s on one core, so that sign-ins at the same time do not fill a host of 256 MB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import unicodedata

from demijohn.errors import PasswordError

#: Longest password, in characters. Nobody types more, and what is longer would be normalised at the site's expense.
MAX_LENGTH = 1024
#: scrypt's cost, as the power of 2 that N is; its block size; its parallel runs, done one after the other.
LOG_N, R, P = 14, 8, 5

#: OpenSSL's default of 32 MiB is too little for hashes of 2^15 and above, which a site may have brought along.
_MAX_MEMORY = 64 * 1024 * 1024
_SALT, _KEY = 16, 32  # bytes


def hash_password(text: str) -> str:
    """What to store for a password: `$scrypt$ln=14,r=8,p=5$salt$key`, 85 characters of ASCII (the PHC string format).

    Each call gives another one, for it draws a salt. Takes about 0.3 s, in which other threads run.

    :raises PasswordError: it is empty, longer than `MAX_LENGTH`, or no text; the message may be shown to the visitor.
    """
    prepared = _prepare(text)
    salt = os.urandom(_SALT)
    return f"$scrypt$ln={LOG_N},r={R},p={P}${_encode(salt)}${_encode(_derive(prepared, salt, LOG_N, R, P, _KEY))}"


def check_password(text: str, stored: str | None) -> bool:
    """Whether `text` is the password that `stored` was made of.

    Where there is no such user, pass None: the answer is False after the same work, so that the time it takes does not
    tell who has an account.

    :raises PasswordError: `stored` is not what `hash_password` makes.
    """
    try:
        prepared = _prepare(text)
    except PasswordError:
        return False  # hash_password would have refused it, for anyone
    if stored is None:
        _derive(prepared, bytes(_SALT), LOG_N, R, P, _KEY)
        return False
    log_n, r, p, salt, key = _parse(stored)
    return hmac.compare_digest(_derive(prepared, salt, log_n, r, p, len(key)), key)


def _prepare(text: str) -> bytes:
    """The password as bytes, by the rules of RFC 8265 section 4.2.2 (OpaqueString): any space is a space, then NFC.

    Not NFKC: it would make different passwords equal ("x²" and "x2"), and the RFC names NFC. Without either, a password
    with an "é" typed on a Mac could be refused on a phone.
    """
    if not text:
        raise PasswordError("A password cannot be empty. Please choose one.")
    if len(text) > MAX_LENGTH:
        raise PasswordError(
            f"This password has {len(text):,} characters, and {MAX_LENGTH:,} is the most. Please choose a shorter one."
        )
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    try:
        return unicodedata.normalize("NFC", spaced).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        raise PasswordError("This password holds something that is not a character. Please choose another.") from None


def _derive(password: bytes, salt: bytes, log_n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=2**log_n, r=r, p=p, dklen=length, maxmem=_MAX_MEMORY)


def _parse(stored: str) -> tuple[int, int, int, bytes, bytes]:
    """Cost, block size, parallel runs, salt and key of a stored hash."""
    try:
        empty, scheme, costs, salt, key = stored.split("$")
        named = dict(cost.split("=") for cost in costs.split(","))
        if empty or scheme != "scrypt" or named.keys() != {"ln", "r", "p"}:
            raise ValueError
        log_n, r, p = (int(named[name]) for name in ("ln", "r", "p"))
        # Where the table was tampered with, one sign-in must not cost an hour.
        if not (1 <= log_n <= 20 and 1 <= r <= 32 and 1 <= p <= 16 and 128 * r * (2**log_n + p + 2) <= _MAX_MEMORY):
            raise ValueError
        decoded = _decode(salt), _decode(key)
        if not (decoded[0] and len(decoded[1]) >= 16):  # bytes; an empty key would fit any password
            raise ValueError
    except (ValueError, binascii.Error):
        # The value itself is left out: it may be a password that someone has stored in the clear.
        raise PasswordError(
            "The stored password is not one that hash_password made: it should read $scrypt$ln=14,r=8,p=5$...$.... "
            "Is the column shorter than 100 characters, or does it hold another library's hashes?"
        ) from None
    return log_n, r, p, *decoded


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
