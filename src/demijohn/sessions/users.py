"""All the sessions of one user."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from demijohn.errors import StoreCannotError
from demijohn.sessions.kept import CREATED
from demijohn.sessions.stores import LISTING
from demijohn.sessions.stores.base import Listing, Store


class Visit(NamedTuple):
    """A session in which somebody is signed in."""

    #: Never show it to anybody: where cookies are not signed, who knows it is in.
    id: str
    #: When it began, seconds since the epoch.
    created: float
    #: When it was used, seconds since the epoch, to a tenth of the timeout.
    last_accessed: float
    #: What the site has put in.
    data: dict[str, Any]


def visits(store: Store, user: int | str, timeout: int) -> list[Visit]:
    """The sessions of `user`, the newest first.

    :param timeout: seconds that a session lives unused.
    """
    found = []
    for listed in _listing(store).of(str(user)):
        try:
            data = json.loads(listed.payload)
            found.append(Visit(listed.id, float(data.pop(CREATED)), listed.ends - timeout, _shown(data)))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # not ours
    return sorted(found, key=lambda visit: visit.created, reverse=True)


def end_all(store: Store, user: int | str, keep: str | None) -> int:
    """End the sessions of `user`. Returns how many there were."""
    return _listing(store).end(str(user), keep)


def _listing(store: Store) -> Listing:
    if not isinstance(store, Listing):
        raise StoreCannotError(store.name, "find all the sessions of a user", LISTING)
    return store


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if not key.startswith("_")}
