"""`Throttle`: guessing passwords is slow, whoever guesses and from wherever. Works in any WSGI app:

    throttle = Throttle(MemcachedShared(Memcached(["127.0.0.1:11211"])), secret=SECRET)

    @app.post("/sign-in")
    def sign_in():
        attempt = throttle.attempt(request.forms.name)   # a bottle.HTTPError, 429, where there have been too many
        if check_password(request.forms.password, stored):
            attempt.succeeded()

An attempt is counted before the password is looked at, in one step: of a thousand that come at once no more get
through than of a thousand that come in a row. Three things are counted, of failures only:

- Of an account from an address. After `tries` each further attempt must wait: 2 s, 4 s, 8 s, up to 15 minutes.
- Of an account from everywhere: `per_account` an hour, for those who guess from many addresses. Addresses from which
  its owner has signed in within a month are spared, so that nobody can lock the owner out.
- Of an address to all accounts: `per_address` an hour, for those who try one password on everybody.

What is kept says neither a name nor an address: it is signed, with the site's secret.
"""

from __future__ import annotations

import hmac
import math
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

import bottle

from demijohn.security.counts import Counts, address

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment  # Python 3.10 has none

    from demijohn.shared import Shared

#: Seconds: of the first wait, which doubles each time; of the longest; of a window; that an owner's address is known.
FIRST, LONGEST, HOUR, MONTH = 2, 15 * 60, 3600, 30 * 24 * 3600


class Throttle:
    """:param shared: what the site's copies share, or what opens it at the first use. While it is not answering, each
        process counts for itself, and the log says so.
    :param secret: what the keys are signed with.
    :param tries: attempts of one account from one address, in an hour, before they have to wait.
    :param per_account: failures of one account, in an hour, from addresses that its owner has not signed in from.
    :param per_address: failures from one address, in an hour.
    :param on: False: nothing is counted or refused.
    :param local: whether 127.0.0.1 is a visitor and not, as is likelier, a proxy that is not trusted.
    """

    def __init__(
        self,
        shared: Shared | Callable[[], Shared],
        *,
        secret: str = "",
        tries: int = 5,
        per_account: int = 100,
        per_address: int = 100,
        on: bool = True,
        local: bool = False,
    ) -> None:
        self._counts = Counts(shared)
        self._key = b"demijohn throttle " + secret.encode()
        self._tries, self._per_account, self._per_address = tries, per_account, per_address
        self._on, self._local = on, local

    def attempt(self, account: str | int, environ: WSGIEnvironment | None = None) -> Attempt:
        """Count an attempt to sign in, before the password is looked at. Call `succeeded()` on what it returns if the
        password was right.

        :param account: what is asked for, whether there is such an account or not. Names that some database takes for
            equal count as one: `"anna"`, `"Anna "`, `"Ánna"`.
        :param environ: the request; by default the one that is being answered.
        :raises bottle.HTTPError: 429, with `Retry-After`: there have been too many.
        """
        here = address(bottle.request.environ if environ is None else environ, self._local)
        name = self._sign("account", _one_spelling(str(account)))
        kind = Attempt if self._on else _Uncounted
        attempt = kind(self._counts, name, here and self._sign("address", here))
        wait = attempt.count(self._tries, self._per_account, self._per_address)
        if wait > 0:
            raise too_many(wait, "There have been too many attempts to sign in.")
        return attempt

    def _sign(self, kind: str, text: str) -> str:
        return hmac.digest(self._key, f"{kind} {text}".encode("utf8", "surrogatepass"), "sha256")[:18].hex()


class Attempt:
    """One attempt to sign in to `account` from `address`, None if that is not known. Both are digests."""

    def __init__(self, counts: Counts, account: str, address: str | None) -> None:
        self._counts = counts
        self._account = f"sign-in account {account}"
        self._address = address and f"sign-in address {address}"
        self._pair = address and f"sign-in {account} {address}"

    def count(self, tries: int, per_account: int, per_address: int) -> float:
        """Count it. Seconds to wait before the next; 0: this one is let in."""
        if self._address:
            count, left = self._counts.in_window(self._address, HOUR)
            if count > per_address:
                return left
        wait = self._count_pair(tries)
        if wait or self._is_known():
            return wait
        count, left = self._counts.in_window(self._account, HOUR)
        return left if count > per_account else 0

    def succeeded(self) -> None:
        """The password was right: forget what was counted of this account from this address, and take back the rest."""
        if self._pair and self._address:
            for key in (self._pair, f"{self._pair} wait"):
                self._counts.do(lambda shared, key=key: shared.delete(key))  # type: ignore[misc]
            self._counts.in_window(self._address, HOUR, -1)
        if not self._is_known():
            self._counts.in_window(self._account, HOUR, -1)
        if self._pair:
            self._counts.do(lambda shared: shared.put(f"{self._pair} known", b"1", MONTH))

    def _count_pair(self, tries: int) -> float:
        """Seconds to wait; 0: none."""
        if self._pair is None:
            return 0
        key, waiting = self._pair, f"{self._pair} wait"
        found = self._counts.do(lambda shared: shared.look(waiting))
        if found is not None:
            return found.left  # not counted: hammering makes it no longer
        count = self._counts.do(lambda shared: shared.count(key, HOUR))
        if count <= tries:
            return 0
        wait = min(FIRST * 2.0 ** min(count - tries - 1, 30), LONGEST)
        # The first of those who come at once has the turn.
        return 0 if self._counts.do(lambda shared: shared.add(waiting, b"1", wait)) else wait

    def _is_known(self) -> bool:
        pair = self._pair
        return pair is not None and self._counts.do(lambda shared: shared.get(f"{pair} known")) is not None


class _Uncounted(Attempt):
    """While nothing is counted."""

    def count(self, tries: int, per_account: int, per_address: int) -> float:
        return 0

    def succeeded(self) -> None:
        """Nothing to forget."""


#: Characters of an account's name that are looked at.
_NAME = 1000


def _one_spelling(account: str) -> str:
    """The name without what databases may overlook when they compare it, as MySQL does: case, accents, spaces, what is
    not seen. Else each spelling would be a further account to guess at."""
    letters = unicodedata.normalize("NFKD", account[:_NAME].casefold())
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] not in "CMZ")


def too_many(wait: float, sentence: str) -> bottle.HTTPError:
    """The answer to who comes too often."""
    seconds = max(math.ceil(wait), 1)
    return bottle.HTTPError(
        429, f"{sentence} Please wait {_in_words(seconds)}, then try again.", retry_after=str(seconds)
    )


def _in_words(seconds: int) -> str:
    if seconds < 90:
        return "a second" if seconds == 1 else f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"
