"""The session: Beaker's API, with the ways in which Beaker loses data closed; who is signed in; messages; the lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demijohn.errors import SessionDataError
from demijohn.sessions.kept import CREATED, USER, Kept
from demijohn.sessions.stores.base import FRESH

_FLASHES = "_flashes"
#: Characters of a user's key, as the table has them.
LONGEST_USER = 190


class Flash(str):
    """A message for the next page. A text, with a category."""

    category: str

    def __new__(cls, text: str, category: str) -> Flash:
        flash = super().__new__(cls, text)
        flash.category = category
        return flash


class Session(Kept):
    """A visitor's session. What is put in must be JSON.

    :param header: the request's Cookie header.
    """

    # What Beaker's users know

    @property
    def created(self) -> float:
        """When the session began, seconds since the epoch."""
        return self[CREATED]  # type: ignore[no-any-return]

    def __missing__(self, key: str) -> Any:
        if key == "_accessed_time":  # Beaker's name for it
            return self.last_accessed or self.created
        raise KeyError(key)

    def clear(self) -> None:
        """Forget all data, and stay the same session."""
        created = self.get(CREATED, time.time())
        dict.clear(self)
        self[CREATED] = created

    def has_key(self, name: str) -> bool:
        """Whether there is a value of this name."""
        return name in self

    def load(self) -> None:
        """Read the session again from its store, dropping what was changed here."""
        if self._record is not None:
            id = self.id
            self._begin()
            self._read(id, FRESH)

    def revert(self) -> None:
        """Go back to what the store had at the first access."""
        data = self._baseline()
        dict.clear(self)
        self.update(data)

    def regenerate_id(self) -> None:
        """Go on under a new id with the same data; the old id is dead when this request ends. `login` does so too."""
        if self._record is not None:
            self._moved = self._id
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

    # Who it is

    def login(self, user: int | str) -> None:
        """Sign `user` in. The session goes on under a new id, so that an id which somebody planted in this browser
        before is worth nothing; the old one is dead when this request ends. What a visitor who was nobody had put into
        the session stays; what another user had put in does not. `created` begins anew.

        :param user: the key by which the site knows its user: a number, or a text of at most 190 characters.
        :raises SessionDataError: it is something else.
        """
        if isinstance(user, bool) or not isinstance(user, (int, str)) or not 0 < len(str(user)) <= LONGEST_USER:
            raise SessionDataError(
                f"session.login() was given a {type(user).__name__}. It takes the key of a user: a number, or a text "
                f"of 1 to {LONGEST_USER} characters."
            )
        if self.get(USER, user) != user:
            self.clear()
        self[CREATED] = time.time()
        self._end_record()
        self._moved = None
        self._must_save = True
        self[USER] = user

    def logout(self) -> None:
        """Sign out: this session is deleted from its store, with all that is in it, and a new and empty one begins."""
        self.invalidate()

    def flash(self, text: str, category: str = "info") -> None:
        """Have `text` shown on the next page that shows messages."""
        self.setdefault(_FLASHES, []).append([text, category])

    def flashes(self) -> list[Flash]:
        """The messages that wait to be shown. They are shown once."""
        return [Flash(text, category) for text, category in self.pop(_FLASHES, ())]

    @contextmanager
    def lock(self, wait: float = 10.0, life: int = 30) -> Iterator[None]:
        """Nobody else is inside the `with session.lock():` of this session, in any process. It is read again at the
        beginning, and what was changed is kept at the end; if anything is raised, none of it is.

        Take the lock before the request writes to the database: whoever waits holds what it has locked there.

        :param wait: seconds to wait for others.
        :param life: seconds after which the lock ends by itself, in case this process dies.
        :raises StoreCannotError: the store has no locks.
        :raises SessionLockedError: others have had it all that time.
        :raises LockLostError: the work took longer than `life`; nothing of it was kept.
        """
        from demijohn.sessions.locks import hold

        if self.unavailable is not None:
            raise self.unavailable
        with hold(self._store, None if self._record is None else self.id, wait, life) as lock:
            if self.changed:
                self.save()
            else:
                self.load()
            try:
                yield
                lock.check()
            except BaseException:
                self.revert()
                raise
            if self.changed:
                self.save()
