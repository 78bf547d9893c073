"""Sessions that are kept nowhere: each travels, encrypted, in its visitor's cookie."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import cached_property
from secrets import token_bytes
from typing import Any

from demijohn.errors import SessionDataError, SessionOptionError
from demijohn.sessions.stores.base import Record

#: Characters of a cookie, from its name to the end of its value. Browsers ignore one whose name and value are longer
#: together (RFC 6265bis section 5.6); the `=` is counted with them.
LARGEST = 4096
# Bytes. A value is the salt, the nonce, and then, encrypted: the end and the payload, and the tag.
_SALT, _NONCE, _TAG, _ENDS = 16, 12, 16, 8
_OUTSIDE = _SALT + _NONCE + _TAG + _ENDS


class CookieStore:
    """Seals a session into a cookie's value, and opens it again. Nobody else can read it, change it or make one up.

    What it cannot promise, because nothing is kept at the site:
    - a copy of the cookie made before the visitor signed out is good until its end: signing out, and moving to a new
      id, only take the cookie back from the browser that asks for it;
    - of two requests at once, the one whose answer arrives last wins, and what the other changed is lost;
    - there is no list of a user's sessions, so nobody can be signed out everywhere, and there is no lock;
    - changing a secret, and not keeping the old one in the list, ends all sessions.

    :param secrets: the newest first: the first seals, all open.
    :param cookie_name: a value that was sealed for a cookie of another name does not open.
    """

    name = "cookie"
    durable = True
    merges = revokes = False

    def __init__(self, secrets: Sequence[str], cookie_name: str) -> None:
        if not secrets or not all(secrets):
            raise SessionOptionError("The session store 'cookie' needs session.secret, to encrypt the cookie with.")
        # Not the secrets themselves, with which other things are signed.
        self._keys = [
            hmac.digest(s.encode("utf8", "surrogatepass"), b"demijohn session cookie", "sha256") for s in secrets
        ]
        self._bound_to = b"demijohn session 1 " + cookie_name.encode("utf8", "surrogatepass")
        self._longest = LARGEST - len(cookie_name.encode("utf8", "surrogatepass")) - 1
        #: Bytes that a payload may take. base64 makes four characters of three bytes.
        self.limit = self._longest * 3 // 4 - _OUTSIDE

    def seal(self, payload: bytes, ends: int) -> str:
        """The cookie's value.

        :param ends: when it opens no longer, seconds since the epoch.
        :raises SessionDataError: the payload is over the limit; a browser would drop the cookie.
        """
        if len(payload) > self.limit:
            raise SessionDataError(
                f"The session would take {len(payload)} bytes, and a cookie takes {self.limit}. Set session.type to "
                "cached-sql, sql or redis, or keep the data in the database, and its key in the session.",
                size=len(payload),
                limit=self.limit,
            )
        # A key for this value alone. Under one key, two random nonces of 96 bits would be equal too soon: after 2^32
        # values (NIST SP 800-38D section 8.3), and whoever has two such values can make up others.
        salt, nonce = token_bytes(_SALT), token_bytes(_NONCE)
        cipher = self._cipher(hmac.digest(self._keys[0], salt, "sha256"))
        # Not compressed: the length would tell what is in it.
        sealed = cipher.encrypt(nonce, ends.to_bytes(_ENDS, "big") + payload, self._bound_to)
        return urlsafe_b64encode(salt + nonce + sealed).rstrip(b"=").decode()

    def open(self, value: str) -> Record | None:
        """What was sealed. None, and never an error, for anything else, and when its time is over."""
        sealed = self._decode(value)
        if sealed is None:
            return None
        salt, nonce, rest = sealed[:_SALT], sealed[_SALT : _SALT + _NONCE], sealed[_SALT + _NONCE :]
        for key in self._keys:
            try:
                opened = self._cipher(hmac.digest(key, salt, "sha256")).decrypt(nonce, rest, self._bound_to)
            except self._refused:
                continue
            ends = int.from_bytes(opened[:_ENDS], "big")
            return Record(opened[_ENDS:], None, ends) if ends > time.time() else None
        return None

    def close(self) -> None:
        """Nothing to close."""

    def _decode(self, value: str) -> bytes | None:
        if len(value) > self._longest or not value.isascii():
            return None
        written = value.encode()
        try:
            decoded = urlsafe_b64decode(written + b"=" * (-len(written) % 4))
        except ValueError:
            return None
        # Python's decoder passes over what is no base64; a value has one spelling.
        one_spelling = len(decoded) >= _OUTSIDE and urlsafe_b64encode(decoded).rstrip(b"=") == written
        return decoded if one_spelling else None

    # Imported at the first session, which takes 30 ms.

    @cached_property
    def _cipher(self) -> Any:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise SessionOptionError(
                "The session store 'cookie' needs the package cryptography. Install it: pip install 'demijohn[cookie]'"
            ) from error
        return AESGCM

    @cached_property
    def _refused(self) -> type[Exception]:
        from cryptography.exceptions import InvalidTag

        return InvalidTag
