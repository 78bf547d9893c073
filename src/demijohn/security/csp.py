"""The Content-Security-Policy: what a page may load, run and be shown in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import bottle

from demijohn.config import csp

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: Nothing but what the site itself serves, no script and no style inside a page, and no page in a frame. A picture may
#: be written into a style sheet (`data:`), where it can neither run nor ask for anything.
DEFAULT: dict[str, tuple[str, ...]] = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "font-src": ("'self'",),
    "connect-src": ("'self'",),
    "media-src": ("'self'",),
    "manifest-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
#: The directives that a nonce is for.
_NONCED = ("script-src", "style-src")
#: Those without sources.
_BARE = ("upgrade-insecure-requests", "sandbox")
NONCE = "demijohn.nonce"


class Policy:
    """One policy, ready to be sent.

    :param directives: as the header has them. None: there is no policy.
    """

    def __init__(self, directives: Mapping[str, tuple[str, ...]] | None) -> None:
        self.directives = directives
        self.text = csp.written(directives) if directives else ""
        #: Around each place where a nonce goes.
        self._pieces = self._around_nonces() if directives else []

    def extended(self, value: object) -> Policy:
        """This policy with further sources: a mapping or a text as `demijohn.config.csp.read` takes it. False: none.

        :raises ValueError: it is not a policy.
        """
        added = csp.read(value)
        if added is None:
            return Policy(None)
        directives = dict(self.directives or {})
        for name, sources in added.items():
            if sources or name in _BARE:
                directives[name] = _joined(directives.get(name, ()), sources)
            else:
                directives.pop(name, None)
        return Policy(directives)

    def with_nonce(self, nonce: str) -> str:
        """The policy that also lets in what bears this nonce."""
        return f" 'nonce-{nonce}'".join(self._pieces)

    def _around_nonces(self) -> list[str]:
        mark = "\0"
        directives = dict(self.directives or {})
        for name in _NONCED:
            sources = directives.get(name, directives.get("default-src", ()))
            directives[name] = (*(source for source in sources if source != "'none'"), mark)
        return csp.written(directives).replace(" " + mark, mark).split(mark)


def _joined(known: tuple[str, ...], added: tuple[str, ...]) -> tuple[str, ...]:
    if "'none'" in added:
        return ("'none'",)
    kept = tuple(source for source in known if source != "'none'")
    return (*kept, *(source for source in added if source not in kept))


def nonce(environ: WSGIEnvironment) -> str:
    """The nonce of this request, made at the first call: 128 random bits. The answer's policy then lets in what bears
    it, and the answer is kept in no cache."""
    found: str | None = environ.get(NONCE)
    if found is None:
        found = environ[NONCE] = secrets.token_urlsafe(16)
    return found


class Nonce:
    """`{{ nonce }}` in a template. One that does not ask for it costs nothing."""

    def __html__(self) -> str:
        return nonce(bottle.request.environ)

    __str__ = __html__
