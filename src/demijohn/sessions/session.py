"""The session: Beaker's API, with the ways in which Beaker loses data closed.

Read once, written only when changed, by compare-and-swap: where two requests have changed different keys, both changes
stay. The id is ours alone; one that the store does not hold is never adopted.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from demijohn.errors import SessionDataError, StoreUnavailableError
from demijohn.sessions.cookie import new_id, read_cookie
from demijohn.sessions.options import Options
from demijohn.sessions.stores import Record, Store

log = logging.getLogger("demijohn.sessions")

_CREATED, _ACCESSED, _FLASHES = "_creation_time", "_accessed_time", "_flashes"
#: The time of use is written when it is older than this part of the timeout.
_TOUCHES = 10
#: Writes by others in a row after which a save gives up.
_TRIES = 200
#: json.dumps with separators makes an encoder each time, and json.loads looks for the encoding of bytes.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode


class Flash(str):
    """A message for the next page. A text, with a category."""

    category: str

    def __new__(cls, text: str, category: str) -> Flash:
        flash = super().__new__(cls, text)
        flash.category = category
        return flash


class Session(dict[str, Any]):
    """A dict that is kept for one visitor from request to request. What is put in must be JSON.

    :param header: the request's Cookie header.
    """

    def __init__(self, header: str, store: Store, options: Options) -> None:
        dict.__init__(self)  # and not Beaker's, which the subclass for Beaker's middleware has too
        self._store = store
        self._options = options
        self._id: str | None = None
        self._record: Record | None = None
        self._ended: list[str] = []
        self._must_save = False
        self._had_cookie = False
        #: Whether it may have been changed: whoever has only got plain values out of it has not changed it.
        self.lent = False
        #: Why the store could not be read, if it could not. The session is then empty and cannot be saved.
        self.unavailable: StoreUnavailableError | None = None
        #: True until there is a record of this session in the store.
        self.is_new = True
        #: When this session was used before, seconds since the epoch; None where it is new.
        self.last_accessed: float | None = None
        self.was_invalidated = False
        value = read_cookie(header, options.cookie.key) if header else None
        if value is not None:
            self._had_cookie = True
            id = options.seal.open(value)
            if id is not None:
                self._read(id)
        if self._record is None:
            id = self._id  # of a session that could not be read: signing out must still find it
            self._begin()
            self._id = id

    # What Beaker's users know

    @property
    def id(self) -> str:
        """The session's id. A new session's is made when it is first asked for."""
        if self._id is None:
            self._id = new_id()
        return self._id

    @property
    def created(self) -> float:
        """When the session began, seconds since the epoch."""
        return self[_CREATED]  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Forget all data, and stay the same session."""
        created = self.get(_CREATED, time.time())
        dict.clear(self)
        self[_CREATED] = self[_ACCESSED] = created

    def has_key(self, name: str) -> bool:
        """Whether there is a value of this name."""
        return name in self

    def load(self) -> None:
        """Read the session again from its store, dropping what was changed here."""
        if self._record is not None:
            self._read(self.id)

    def revert(self) -> None:
        """Go back to what the store had at the first access."""
        baseline = self._baseline()
        dict.clear(self)
        self.update(baseline)

    def regenerate_id(self) -> None:
        """Go on under a new id with the same data; the old id is dead when this request ends. Do so at each sign-in, so
        that an id which somebody planted in a browser before is worth nothing."""
        self._end_record()
        self._must_save = True

    def invalidate(self) -> None:
        """End this session, and begin a new and empty one."""
        self._end_record()
        self._begin()
        self.was_invalidated = True

    def delete(self) -> None:
        """End this session and take the cookie back."""
        self.invalidate()
        self._must_save = False

    def flash(self, text: str, category: str = "info") -> None:
        """Have `text` shown on the next page that shows messages."""
        self.setdefault(_FLASHES, []).append([text, category])

    def flashes(self) -> list[Flash]:
        """The messages that wait to be shown. They are shown once."""
        return [Flash(text, category) for text, category in self.pop(_FLASHES, ())]

    # Keeping it

    @property
    def changed(self) -> bool:
        """Whether there is anything that the store does not have yet."""
        return self._must_save or (self.lent and dict(self) != self._baseline())

    @property
    def due(self) -> bool:
        """Whether the end of the request is to write it."""
        return self._must_save or (self._options.auto and self.changed)

    def check(self) -> None:
        """Raise what `save` would raise, as far as that is known before."""
        if self.unavailable is not None and (self.due or self._ended):
            raise self.unavailable
        if self.due:
            self._encode(self)

    def save(self, accessed_only: bool = False) -> None:
        """Write the session to its store now.

        :raises StoreUnavailableError: the store is not answering.
        :raises SessionDataError: a value is not JSON, or the whole is too large for the store.
        """
        if accessed_only:
            self._touch()
            return
        if self.unavailable is not None:
            raise self.unavailable
        if self._record is None:
            self[_ACCESSED] = time.time()
            payload = self._encode(self)
            while not self._store.add(self.id, payload, self._options.timeout):
                self._id = None
            self._kept(payload)
        elif not self._replace():
            # Somebody has signed out while this request was being answered: that stands.
            self._begin()
        self.forget_ended()

    def forget_ended(self) -> None:
        """Delete the records that this session has left behind."""
        while self._ended:
            self._store.delete(self._ended[-1])
            self._ended.pop()

    def settle(self, scheme: str, headers: list[tuple[str, str]] | None) -> None:
        """End the request: write what has to be written, and add the headers that go with it.

        :param scheme: `http` or `https`: how the request came.
        :param headers: None when they have gone out already.
        """
        if not self.lent and not self._touch_due():
            if headers is not None:
                headers.append(("Vary", "Cookie"))
            return
        cookie = self._options.cookie
        was_new, touched = self.is_new, False
        if self.due:
            if headers is None and was_new:
                log.warning("A session was begun after the answer was: its cookie cannot be sent, so it is not kept.")
                return
            self.save()
        elif self._ended:
            self.forget_ended()
        else:
            touched = self._touch()
        if headers is None:
            return
        headers.append(("Vary", "Cookie"))
        if self.is_new:
            if self.was_invalidated and self._had_cookie:
                headers.append(("Set-Cookie", cookie.expiring(scheme)))
        elif was_new or (cookie.slides and (touched or self._must_save)):
            headers.append(("Set-Cookie", cookie.header(self._options.seal.close(self.id), scheme)))
        self._must_save = False

    # Inside

    def _begin(self) -> None:
        dict.clear(self)
        self[_CREATED] = self[_ACCESSED] = time.time()
        self._id = None
        self._record = None
        self._must_save = False
        self.is_new = True
        self.last_accessed = None

    def _end_record(self) -> None:
        if self._id is not None and (self._record is not None or self.unavailable is not None):
            self._ended.append(self._id)
        self._id = None
        self._record = None
        self.is_new = True

    def _read(self, id: str) -> None:
        try:
            record = self._store.read(id)
        except StoreUnavailableError as error:
            _tell(error)
            self._id, self.unavailable = id, error
            return
        data = None if record is None else self._decode(record)
        if record is None or data is None:
            return
        if record.ends is None and data[_ACCESSED] + self._options.timeout < time.time():
            return  # the timeout was longer when this was written
        dict.clear(self)
        self.update(data)
        self._id, self._record, self.is_new = id, record, False
        self.last_accessed = data[_ACCESSED]

    def _baseline(self) -> dict[str, Any]:
        """The data as the store had it: decoded again, so that a list which was changed in place shows."""
        data = None if self._record is None else self._decode(self._record)
        return data or {_CREATED: self.get(_CREATED), _ACCESSED: self.get(_ACCESSED)}

    def _replace(self) -> bool:
        """Write over the record. Where it has been written since, only what this request changed goes into it."""
        baseline, record = self._baseline(), self._record
        assert record is not None
        mine = {key: value for key, value in self.items() if key not in baseline or baseline[key] != value}
        mine[_ACCESSED] = time.time()
        removed = baseline.keys() - self.keys()
        data = {**self, **mine}
        for _ in range(_TRIES):
            payload = self._encode(data)
            if record.token is not None and self._store.replace(self.id, payload, record.token, self._options.timeout):
                dict.clear(self)
                self.update(data)
                self._kept(payload)
                return True
            fresh = self._store.read(self.id)
            theirs = None if fresh is None else self._decode(fresh)
            if fresh is None or theirs is None:
                return False
            record = fresh
            data = {key: value for key, value in {**theirs, **mine}.items() if key not in removed}
        raise StoreUnavailableError(self._store.name, TimeoutError(f"{_TRIES} others wrote this session meanwhile"))

    def _kept(self, payload: bytes) -> None:
        """What the store has is now known, but not under which token: the next write begins by losing to this one."""
        self._record = Record(payload, None)
        self.is_new = False

    def _touch_due(self) -> bool:
        """Whether the time of use must be written anew."""
        record = self._record
        if record is None:
            return False
        timeout = self._options.timeout
        used = self[_ACCESSED] if record.ends is None else record.ends - timeout
        return not 0 <= time.time() - used < timeout / _TOUCHES

    def _touch(self) -> bool:
        """Move the end of an unchanged session on, if that is due."""
        record = self._record
        if record is None or not self._touch_due():
            return False
        data = self._baseline()
        data[_ACCESSED] = time.time()
        try:
            self._store.touch(self.id, self._encode(data), record.token, self._options.timeout)
        except StoreUnavailableError as error:
            _tell(error)
        return True

    def _encode(self, data: dict[str, Any]) -> bytes:
        try:
            payload = _to_json(data).encode()
        except (TypeError, ValueError, RecursionError) as error:
            for key, value in data.items():
                _check_json(key, value)
            raise SessionDataError(f"The session cannot be kept: {error}.") from None
        if len(payload) > self._store.limit:
            raise SessionDataError(
                f"The session would take {len(payload)} bytes, and the store {self._store.name!r} takes "
                f"{self._store.limit}. Keep the data in the database, and its key in the session.",
                size=len(payload),
                limit=self._store.limit,
            )
        return payload

    def _decode(self, record: Record) -> dict[str, Any] | None:
        try:
            data = _from_json(record.payload.decode())
            if isinstance(data, dict) and isinstance(data.get(_ACCESSED), (int, float)) and _CREATED in data:
                return data
        except (ValueError, RecursionError):
            pass
        log.warning("A session's record cannot be read; the visitor gets an empty session. Another program's key?")
        return None


def _check_json(key: str, value: Any) -> None:
    try:
        json.dumps({key: value})
    except (TypeError, ValueError, RecursionError) as error:
        raise SessionDataError(
            f"session[{key!r}] is a {type(value).__name__} that JSON cannot hold ({error}). "
            "Put in text, numbers, true, false, None, and lists and dicts of these."
        ) from None


_told: dict[str, float] = {}


def _tell(error: StoreUnavailableError) -> None:
    """Log it, once a minute for each store and not once a request."""
    now = time.monotonic()
    if now - _told.get(error.store, -60.0) >= 60:
        _told[error.store] = now
        log.warning("%s (said once a minute)", error)
