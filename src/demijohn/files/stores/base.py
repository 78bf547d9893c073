"""What a store of files does."""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from demijohn.files.content import Incoming


class Found(NamedTuple):
    """A file that is there."""

    #: Bytes.
    size: int
    #: The store's own.
    key: Any


class Kept(NamedTuple):
    """A file in a list."""

    name: str
    #: Bytes.
    size: int
    #: How many have saved it and not deleted it.
    uses: int
    #: When it was last saved, seconds since the epoch.
    saved: float


class Store(Protocol):
    """Equal content is one file with one name. How often it was saved is counted, and it goes with the last of those
    who delete it. A file is there once all of it is; what was broken off is never seen. Whatever keeps it from
    answering is a `FilesDownError`."""

    name: str

    def save(self, incoming: Incoming) -> bool:
        """Keep it, or count it once more. Never more of it in memory than some pieces. Returns whether it has become a
        part of the request's own transaction, which a rollback takes back by itself."""

    def find(self, name: str) -> Found | None:
        """The file of this name, if it is there."""

    def read(self, found: Found, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces; only those are fetched, and nothing is held while the
        reader takes its time. Raises `NoFileError` where the file was deleted meanwhile."""

    def release(self, name: str) -> bool:
        """Count it once less; the last one deletes it. False: it was not there."""

    def kept(self) -> Iterator[Kept]:
        """All files, by name."""

    def clean(self, before: float) -> int:
        """Delete what is left of uploads that were broken off, and begun before this time (seconds since the epoch).
        Returns of how many."""

    def close(self) -> None:
        """Let go of connections."""


def token() -> str:
    """32 characters that nobody can guess: 160 bits."""
    return b32encode(secrets.token_bytes(20)).decode().lower()
