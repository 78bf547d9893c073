"""A dict that is kept in a store: read once, written only when changed, by compare-and-swap.

Where two requests have changed different keys, both changes stay. The id is ours alone; one that the store does not
hold is never adopted.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from demijohn.errors import SessionDataError, StoreUnavailableError
from demijohn.sessions.cookie import LARGEST, new_id, read_cookie
from demijohn.sessions.options import Options
from demijohn.sessions.stores.base import FRESH, Record, Store

log = logging.getLogger("demijohn.sessions")

CREATED, USER = "_creation_time", "_user"
#: The end is moved on when this part of the timeout has gone by since the last time.
TOUCHES = 10
#: Writes by others in a row after which a save gives up.
_TRIES = 200


def _encoder() -> Callable[[Any], str]:
    """What `json.JSONEncoder.encode` makes anew for each call, made once: two thirds of the time."""
    plain = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # PyPy
        return plain.encode
    pieces = make(None, plain.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False)
    return lambda data: "".join(pieces(data, 0))


def _no_json(constant: str) -> Any:
    """Python would read NaN and Infinity, which are not JSON and are never written."""
    raise ValueError(constant)


_to_json = _encoder()
#: json.loads looks for white space, and for the encoding of bytes.
_from_json = json.JSONDecoder(parse_constant=_no_json).raw_decode


class Kept(dict[str, Any]):
    """A dict that is kept for one visitor from request to request. What is put in must be JSON.

    :param header: the request's Cookie header.
    """

    # On the class, because most requests change none of them.
    _id: str | None = None
    _record: Record | None = None
    _moved: str | None = None
    _must_save = False
    _unsent = False
    _had_cookie = False
    _checked: tuple[bytes | None] | None = None
    #: Whether it may have been changed: whoever has only got plain values out of it has not changed it.
    lent = False
    #: Why the store could not be read, if it could not. The session is then empty and cannot be saved.
    unavailable: StoreUnavailableError | None = None
    #: True until there is a record of this session in the store.
    is_new = True
    #: When this session was used before, seconds since the epoch, to a tenth of the timeout; None where it is new.
    last_accessed: float | None = None
    was_invalidated = False
    #: What to do with a session that has grown too large.
    _advice = "Keep the data in the database, and its key in the session."

    def __init__(self, header: str, store: Store, options: Options) -> None:
        dict.__init__(self)  # and not Beaker's, which the subclass for Beaker's middleware has too
        self._store = store
        self._options = options
        self._ended: list[str] = []
        value = read_cookie(header, options.cookie.key) if header else None
        if value is not None:
            self._had_cookie = True
            self._open(value)
        if self._record is None:
            id = self._id  # of a session that could not be read: signing out must still find it
            self._begin()
            self._id = id

    @property
    def id(self) -> str:
        """The session's id. A new session's is made when it is first asked for."""
        if self._id is None:
            self._id = new_id()
        return self._id

    @property
    def user(self) -> int | str | None:
        """The key that `login` was given; None where nobody is signed in."""
        return self.get(USER)

    # Keeping it

    @property
    def changed(self) -> bool:
        """Whether there is anything that the store does not have yet."""
        try:
            return self._must_save or (self.lent and self._unwritten() is not None)
        except SessionDataError:
            return True

    @property
    def ends_another(self) -> bool:
        """Whether there is a record to delete: of a visitor who signs in or out."""
        return bool(self._ended)

    def check(self) -> None:
        """Raise what the end of the request would raise, as far as that is known before."""
        payload = self._to_write()
        if self.unavailable is not None and (payload is not None or self._ended):
            raise self.unavailable
        self._checked = (payload,)

    def save(self, accessed_only: bool = False) -> None:
        """Write the session to its store now.

        :raises StoreUnavailableError: the store is not answering.
        :raises SessionDataError: a value is not JSON, or the whole is too large for the store.
        """
        if accessed_only:
            self._touch()
        else:
            self._write(self._encode(self))

    def forget_ended(self) -> None:
        """Delete the records that this session has left behind."""
        while self._ended:
            id = self._ended[-1]
            if not self._store.delete(id) and id == self._moved and self._id is not None:
                # Somebody has signed out, or moved it, while this request was moving it: that stands, and so does the
                # cookie which that request has sent.
                self._store.delete(self._id)
                self._begin()
            self._ended.pop()
        self._moved = None

    def settle(self, scheme: str, headers: list[tuple[str, str]] | None, failed: bool = False) -> None:
        """End the request: write what has to be written, and add the headers that go with it.

        :param scheme: `http` or `https`: how the request came.
        :param headers: None when they have gone out already.
        :param failed: the request is not to be remembered; what it has written is, and the visitor must hear of it.
        """
        if headers is not None:
            headers.append(("Vary", "Cookie"))
        if failed:
            touched = False
        elif not self.lent and not self._touch_due():
            return
        else:
            touched = self._finish(late=headers is None)
        if headers is not None:
            set_cookie = self._set_cookie(scheme, touched, failed)
            if set_cookie is not None:
                headers.append(("Set-Cookie", set_cookie))

    def _set_cookie(self, scheme: str, touched: bool, failed: bool = False) -> str | None:
        """The Set-Cookie header that goes with what has been written; None where the visitor need not hear of it."""
        cookie = self._options.cookie
        if self._unsent or (touched and (cookie.slides or self._needs_cookie(False))):
            self._unsent = False
            return cookie.header(self._sealed(), scheme)
        if self.is_new and self.was_invalidated and self._had_cookie and not failed:
            return cookie.expiring(scheme)
        return None

    def _finish(self, late: bool) -> bool:
        """Write what has to be written. Whether nothing but the end was moved on."""
        (payload,) = self._checked or (self._to_write(),)
        self._checked = None
        if payload is not None:
            if late and self._needs_cookie(self.is_new):
                log.warning("A session was changed after the answer was begun: its cookie cannot be sent any more.")
            else:
                self._write(payload)
        elif self._ended:
            self.forget_ended()
        else:
            return self._touch()
        return False

    # Where it is kept; `CarriedSession` does these otherwise

    def _open(self, value: str) -> None:
        """Read the session that a cookie's value names."""
        opened = self._options.seal.open(value) if len(value) <= LARGEST else None
        if opened is not None:
            self._read(*opened)

    def _sealed(self) -> str:
        """The cookie's value."""
        return self._options.seal.close(self.id, 0 if self._record is None else self._record.fence)

    def _needs_cookie(self, was_new: bool) -> bool:
        """Whether what is written is lost if the cookie cannot be sent with it."""
        return was_new

    def _write(self, payload: bytes) -> None:
        if self.unavailable is not None:
            raise self.unavailable
        store, timeout = self._store, self._options.timeout
        if self._record is None:
            user = None if self.user is None else str(self.user)
            record = store.add(self.id, payload, timeout, user)
            while record is None:
                self._id = None
                record = store.add(self.id, payload, timeout, user)
        else:
            record = store.replace(self.id, payload, self._record.token, timeout)
            if record is None:
                record = self._merge()
        if record is None:
            self._begin()  # somebody has signed out while this request was being answered: that stands
        else:
            if record.fence or self._options.cookie.slides or self._needs_cookie(self.is_new):
                self._unsent = True
            self._record = record
            self.is_new = False
            self._must_save = False
        if self._ended:
            self.forget_ended()

    def _touch(self) -> bool:
        """Move the end of an unchanged session on, if that is due."""
        if self._record is None or not self._touch_due():
            return False
        try:
            self._store.touch(self.id, self._record, self._options.timeout)
        except StoreUnavailableError as error:
            tell(error)
        return True

    def _end_record(self) -> None:
        if self._id is not None and (self._record is not None or self.unavailable is not None):
            self._ended.append(self._id)
        self._id = None
        self._record = None
        self.is_new = True

    # Inside

    def _begin(self) -> None:
        dict.clear(self)
        self[CREATED] = time.time()
        self._id = None
        self._record = None
        self._must_save = self._unsent = False
        self.is_new = True
        self.last_accessed = None

    def _read(self, id: str, fence: int) -> None:
        try:
            record = self._store.read(id, fence)
        except StoreUnavailableError as error:
            tell(error)
            self._id, self.unavailable = id, error
            return
        if record is not None:
            self._adopt(id, record)

    def _adopt(self, id: str, record: Record) -> None:
        data = self._decode(record)
        if data is None:
            return
        dict.clear(self)
        self.update(data)
        self._id, self._record, self.is_new = id, record, False
        self.last_accessed = record.ends - self._options.timeout

    def _baseline(self) -> dict[str, Any]:
        """The data as the store had it."""
        data = None if self._record is None else self._decode(self._record)
        return data or {CREATED: self.get(CREATED)}

    def _to_write(self) -> bytes | None:
        """What the end of the request is to write; None where nothing is."""
        if self._must_save:
            return self._encode(self)
        return self._unwritten() if self.lent and self._options.auto else None

    def _unwritten(self) -> bytes | None:
        """The session as it would be written; None where the store has it so. What was read and not changed is written
        as it was read, to the byte."""
        if self._record is None:
            return self._encode(self) if len(self) > 1 else None
        payload = self._encode(self)
        return None if payload == self._record.payload else payload

    def _merge(self) -> Record | None:
        """Write over a record that has been written since it was read: only what this request changed goes into it.
        None where it is gone."""
        baseline = self._baseline()
        mine = {key: value for key, value in self.items() if key not in baseline or baseline[key] != value}
        removed = baseline.keys() - self.keys()
        for _ in range(_TRIES):
            fresh = self._store.read(self.id, FRESH)
            theirs = None if fresh is None else self._decode(fresh)
            if fresh is None or theirs is None:
                return None
            data = {key: value for key, value in {**theirs, **mine}.items() if key not in removed}
            payload = self._encode(data)
            kept = self._store.replace(self.id, payload, fresh.token, self._options.timeout)
            if kept is not None:
                dict.clear(self)
                self.update(data)
                return kept
        raise StoreUnavailableError(self._store.name, TimeoutError(f"{_TRIES} others wrote this session meanwhile"))

    def _touch_due(self) -> bool:
        """Whether the end has to be moved on."""
        if self._record is None:
            return False
        timeout = self._options.timeout
        return not 0 <= time.time() + timeout - self._record.ends < max(timeout / TOUCHES, 1)

    def _encode(self, data: dict[str, Any]) -> bytes:
        try:
            payload = _to_json(data).encode()
        except (TypeError, ValueError, RecursionError) as error:
            for key, value in data.items():
                _check_json(key, value)
            raise SessionDataError(f"The session cannot be kept: {error}.") from None
        if len(payload) > self._store.limit:
            size, name, limit = len(payload), self._store.name, self._store.limit
            message = f"The session would take {size} bytes, and the store {name!r} takes {limit}. {self._advice}"
            raise SessionDataError(message, size=size, limit=limit)
        return payload

    def _decode(self, record: Record) -> dict[str, Any] | None:
        try:
            text = record.payload.decode()
            data, end = _from_json(text)
            if type(data) is dict and type(data.get(CREATED)) in (float, int) and end == len(text):
                return data
        except (ValueError, RecursionError):
            pass
        log.warning("A session's record cannot be read; the visitor gets an empty session. Another program's key?")
        return None


def _check_json(key: str, value: Any) -> None:
    try:
        json.dumps({key: value}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SessionDataError(
            f"session[{key!r}] is a {type(value).__name__} that JSON cannot hold ({error}). "
            "Put in text, numbers, true, false, None, and lists and dicts of these."
        ) from None


_told: dict[str, float] = {}


def tell(error: StoreUnavailableError) -> None:
    """Log it, once a minute for each store and not once a request."""
    now = time.monotonic()
    if not error.told and now - _told.get(error.store, -60.0) >= 60:
        _told[error.store] = now
        log.warning("%s (said once a minute)", error)
