"""scrypt (RFC 7914), which Python has."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from demijohn.errors import PasswordError

#: The cost, as the power of 2 that N is; the block size; parallel runs, done one after the other.
LOG_N, R, P = 14, 8, 5

#: OpenSSL's default of 32 MiB is too little for hashes of 2^15 and above, which a site may have brought along.
_MAX_MEMORY = 64 * 1024 * 1024
_SALT, _KEY = 16, 32  # bytes


def costs() -> tuple[int, int, int]:
    """What a new hash costs: `LOG_N`, `R`, `P`."""
    return LOG_N, R, P


def make(password: bytes) -> str:
    """A new hash: `$scrypt$ln=14,r=8,p=5$salt$key`."""
    salt = os.urandom(_SALT)
    return f"$scrypt$ln={LOG_N},r={R},p={P}${_encode(salt)}${_encode(_derive(password, salt, LOG_N, R, P, _KEY))}"


def check(password: bytes, stored: str) -> bool:
    log_n, r, p, salt, key = _read(stored)
    return hmac.compare_digest(_derive(password, salt, log_n, r, p, len(key)), key)


def parse(stored: str) -> tuple[int, int, int]:
    """What a stored hash cost.

    :raises PasswordError: it is none, or its costs are out of bounds.
    """
    return _read(stored)[:3]


def _derive(password: bytes, salt: bytes, log_n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=2**log_n, r=r, p=p, dklen=length, maxmem=_MAX_MEMORY)


def _read(stored: str) -> tuple[int, int, int, bytes, bytes]:
    """Cost, block size, parallel runs, salt and key of a stored hash."""
    try:
        empty, scheme, named_costs, salt, key = stored.split("$")
        named = dict(cost.split("=") for cost in named_costs.split(","))
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
            "The stored password is not one that hash_password made: it should read $scrypt$ln=14,r=8,p=5$...$... or "
            "$argon2id$v=19$m=19456,t=2,p=1$...$.... Is the column shorter than 100 characters, or does it hold hashes "
            "of another library?"
        ) from None
    return log_n, r, p, *decoded


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
