"""What a request has saved and deleted, until it is known whether its work is kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import bottle

from demijohn import lifetime

if TYPE_CHECKING:
    from demijohn.files.stores.base import Store

KEY = "demijohn.files"
log = logging.getLogger("demijohn.files")


class Unit:
    """Takes back what a failed request has saved, and deletes what was to be deleted once the rest is committed: a row
    that names a file is never without it."""

    __slots__ = ("_deleted", "_environ", "_saved", "_store")
    order = 5  # behind the database, whose commit may fail

    def __init__(self, store: Store, environ: dict[str, object]) -> None:
        self._store = store
        self._environ = environ
        self._saved: list[str] = []
        self._deleted: list[str] = []

    def save(self, name: str) -> None:
        self._saved.append(name)

    def delete(self, name: str) -> None:
        self._deleted.append(name)

    def prepare(self, status: int) -> None:
        """Nothing can be said beforehand."""

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        gone = self._deleted if status < 400 else self._saved
        self._release(gone)
        self._saved, self._deleted = [], []

    def close(self) -> None:
        self._release(self._saved)  # of a body that was left before its end
        self._environ.pop(KEY, None)

    def _release(self, names: list[str]) -> None:
        for name in names:
            try:
                self._store.release(name)
            except Exception as error:
                # The answer is decided, and nothing refers to the file: `demijohn files clean` finds it.
                log.warning("The file %s could not be deleted, and stays behind: %s", name, error)


def current(store: Store) -> Unit | None:
    """That of the request which this thread answers; None where it answers none."""
    try:
        environ = bottle.request.environ
    except RuntimeError:
        return None
    unit: Unit | None = environ.get(KEY)
    if unit is None and lifetime.KEY in environ:
        unit = environ[KEY] = Unit(store, environ)
        lifetime.join(lifetime.joined(environ), unit)
    return unit
