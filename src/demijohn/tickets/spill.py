"""Tickets in memcached while the database is down: they outlive the process that had them."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from demijohn.errors import MemcachedDownError

if TYPE_CHECKING:
    from demijohn.memcached import Memcached

KEY = b"tickets"
#: Seconds that they wait there.
LIFE = 14 * 24 * 3600
#: Bytes; memcached takes a million of ours.
ROOM = 900_000
#: Others may write at the same moment.
TRIES = 8
log = logging.getLogger("demijohn.tickets")


def put(cache: Memcached, records: Iterable[dict[str, Any]]) -> bool:
    """Add records to those that wait there; of one series the higher count stays. Whether they are there now.

    :raises MemcachedDownError: memcached does not answer.
    """
    new = list(records)
    for _ in range(TRIES):
        value, token = cache.gets(KEY)
        packed = _pack(_merge([*_unpack(value), *new]))
        if packed is None:
            return False
        if cache.add(KEY, packed, LIFE) if value is None else cache.cas(KEY, packed, token, LIFE):
            return True
    return False


def look(cache: Memcached) -> tuple[list[dict[str, Any]], Any]:
    """What waits there, and a token for `remove`.

    :raises MemcachedDownError: memcached does not answer.
    """
    value, token = cache.gets(KEY)
    return _unpack(value), token


def remove(cache: Memcached, token: Any) -> bool:
    """Take away what `look` has found, unless somebody has added to it since."""
    return bool(cache.cas(KEY, b"", token, 1))


def quietly(cache: Memcached, records: Iterable[dict[str, Any]]) -> bool:
    """As `put`; False where memcached does not answer."""
    try:
        return put(cache, records)
    except MemcachedDownError as error:
        log.debug("%s", error)
        return False


def _merge(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    best: dict[str, dict[str, Any]] = {}
    for record in records:
        other = best.get(record["series"])
        if other is None or other["count"] <= record["count"]:
            best[record["series"]] = record
    return list(best.values())


def _pack(records: list[dict[str, Any]]) -> bytes | None:
    """As many samples as there is room for. None: not even the counts have room."""
    for samples in (3, 1, 0):
        shown = [{**record, "samples": record["samples"][-samples:] if samples else []} for record in records]
        packed = zlib.compress(json.dumps(shown).encode(), 1)
        if len(packed) <= ROOM:
            return packed
    return None


def _unpack(value: bytes | None) -> list[dict[str, Any]]:
    if not value:
        return []
    try:
        records = json.loads(zlib.decompress(value))
    except (ValueError, zlib.error):  # somebody else's
        return []
    return [record for record in records if is_record(record)] if isinstance(records, list) else []


def is_record(record: object) -> bool:
    """Whether this is a ticket as it travels."""
    if not isinstance(record, dict):
        return False
    texts = all(isinstance(record.get(name), str) and record[name] for name in ("series", "id", "error"))
    numbers = all(isinstance(record.get(name), int) for name in ("count", "first", "last"))
    return texts and numbers and isinstance(record.get("samples"), list)
