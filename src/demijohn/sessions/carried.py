"""The session that travels in its cookie, encrypted: nothing is kept at the site."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from demijohn.sessions.session import Session
from demijohn.sessions.stores.base import Record

if TYPE_CHECKING:
    from demijohn.sessions.stores.cookie import CookieStore

_ID = "_id"


class CarriedSession(Session):
    """A session whose cookie is its record. The cookie store says what it cannot promise."""

    _store: CookieStore  # type: ignore[assignment]  # which keeps nothing under an id
    _value = ""
    _advice = "Give the site a database, memcached or Redis, and set session.type to cached-sql, sql or redis."

    def load(self) -> None:
        self.revert()

    def _open(self, value: str) -> None:
        record = self._store.open(value)
        if record is not None:
            self._value = value
            self._adopt("", record)

    def _adopt(self, id: str, record: Record) -> None:
        super()._adopt(id, record)
        if self._record is not None:
            self._id = self.pop(_ID, None)

    def _baseline(self) -> dict[str, Any]:
        data = super()._baseline()
        data.pop(_ID, None)
        return data

    def _encode(self, data: dict[str, Any]) -> bytes:
        return super()._encode({**data, _ID: self.id})

    def _sealed(self) -> str:
        return self._value

    def _needs_cookie(self, was_new: bool) -> bool:
        return True

    def _write(self, payload: bytes) -> None:
        ends = int(time.time()) + self._options.timeout
        self._value = self._store.seal(payload, ends)
        self._record = Record(payload, None, ends)
        self.is_new, self._must_save, self._unsent = False, False, True
        self._moved = None

    def _touch(self) -> bool:
        if self._record is None or not self._touch_due():
            return False
        self._write(self._record.payload)
        return True

    def _end_record(self) -> None:
        super()._end_record()
        self._ended.clear()
