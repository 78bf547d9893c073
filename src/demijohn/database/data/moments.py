"""Dates and times as text: ISO 8601, the `T` or a space between, a `Z` or an offset behind."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone

# Python 3.10 takes neither a Z nor fractions of other than 3 or 6 digits.
_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_SPAN = re.compile(r"(-)?(?:(\d+) days?,? ?)?(?:(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")


def read_datetime(text: str) -> datetime:
    """:raises ValueError: it is none."""
    return datetime.fromisoformat(_plain(text))


def read_date(text: str) -> date:
    """:raises ValueError: it is none; also where a time of day other than midnight follows."""
    if len(text) > 10:
        moment = read_datetime(text)
        if moment.time() != time(0):
            raise ValueError
        return moment.date()
    return date.fromisoformat(text)


def read_time(text: str) -> time:
    """:raises ValueError: it is none."""
    return time.fromisoformat(_plain(text))


def read_span(text: str) -> timedelta:
    """A length of time: seconds, or as Python prints it, `3 days, 4:05:06.7`.

    :raises ValueError: it is none.
    """
    match = _SPAN.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        return timedelta(seconds=float(text))
    sign, days, hours, minutes, seconds, fraction = match.groups()
    day = timedelta(days=int(days or 0)) * (-1 if sign else 1)  # Python's minus belongs to the days alone
    clock = timedelta(
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "0").ljust(6, "0")),
    )
    return day - clock if sign and not days else day + clock


def settled(moment: datetime, zoned: bool, knows_zones: bool) -> datetime:
    """A moment as the column keeps it.

    :param zoned: the column is a `DateTime(timezone=True)`.
    :param knows_zones: the database is one that has such columns; the others keep UTC without saying so.
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
        return moment if zoned and knows_zones else moment.replace(tzinfo=None)
    return moment.replace(tzinfo=timezone.utc) if zoned and knows_zones else moment


def _plain(text: str) -> str:
    if text[-1:] in ("Z", "z"):
        text = f"{text[:-1]}+00:00"
    return _FRACTION.sub(lambda match: f".{match[1].ljust(6, '0')}", text, count=1)
