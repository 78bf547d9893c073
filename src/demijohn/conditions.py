"""Conditional requests and ranges: RFC 9110 sections 8.8, 13 and 14, as functions of a WSGI environ and of what there
is to send. Whoever serves bytes says what they are, and is told what to answer:

    answer = reply(environ, headers, size, read, etag=etag, modified=seconds)

Nothing here knows where the bytes come from.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Headers = list[tuple[str, str]]
#: Bytes from the first number up to, and without, the second.
Span = tuple[int, int]
#: Gives the bytes of a span, in pieces.
Read = Callable[[int, int], Iterable[bytes]]

#: A range set may ask for so many ranges; one that asks for more is passed over (RFC 9110 section 14.2 lets a server
#: defend itself), and the whole is sent.
MOST_RANGES = 32
_HUGE = 10**18  # a position past every end; int() refuses numbers of more than 4300 digits
_SAFE = ("GET", "HEAD")
#: What describes the bytes themselves. A visitor who is told that his copy is good has it: RFC 9110 section 15.4.5.
_OF_THE_BYTES = frozenset(
    ("content-type", "content-length", "content-encoding", "content-language", "content-disposition", "last-modified")
)


class Reply(NamedTuple):
    """What to answer. A 412 and a 416 have no body: an error page is the caller's to make."""

    #: 200, 206, 304, 412 or 416.
    status: int
    headers: Headers
    body: Iterable[bytes]
    #: What the body holds, in the order in which it was asked for; more than one is a multipart/byteranges. None: all.
    spans: list[Span] | None = None


def reply(
    environ: Mapping[str, Any], headers: Headers, size: int, read: Read, *, etag: str, modified: int | None = None
) -> Reply:
    """The answer to a GET or a HEAD of `size` bytes.

    :param headers: those of a 200, `ETag` and `Content-Type` among them and no `Content-Length`. They are not changed.
    :param read: is asked for the bytes that are sent, and for none before the body is read.
    :param etag: the entity tag, in its quotes, with `W/` before it if it is weak.
    :param modified: seconds since the epoch; None: not known, and conditions that ask for it are passed over.
    """
    status = condition(environ, etag, modified)
    if status == 304:
        return Reply(304, [pair for pair in headers if pair[0].lower() not in _OF_THE_BYTES], ())
    if status == 412:
        return Reply(412, [("Cache-Control", "no-store")], ())
    head = environ["REQUEST_METHOD"] == "HEAD"
    spans = ranges(environ, etag, size)
    if spans is None:
        return Reply(200, [*headers, ("Content-Length", str(size))], () if head else read(0, size))
    if not spans:
        return Reply(416, [("Content-Range", f"bytes */{size}"), ("Cache-Control", "no-store")], (), spans)
    if "HTTP_IF_RANGE" in environ:  # the visitor has the rest of them: section 15.3.7
        headers = [pair for pair in headers if pair[0].lower() != "last-modified"]
    if len(spans) == 1:
        ((start, stop),) = spans
        more = [("Content-Range", f"bytes {start}-{stop - 1}/{size}"), ("Content-Length", str(stop - start))]
        return Reply(206, headers + more, read(start, stop), spans)
    kind = next((value for name, value in headers if name.lower() == "content-type"), None)
    parts = ByteRanges(spans, size, kind)
    headers = [pair for pair in headers if pair[0].lower() != "content-type"]
    more = [("Content-Type", parts.content_type), ("Content-Length", str(parts.length))]
    return Reply(206, headers + more, parts.body(read), spans)


def condition(environ: Mapping[str, Any], etag: str | None, modified: int | None = None) -> int:
    """What the preconditions of a request come to, in the order of RFC 9110 section 13.2.2: 200, go on; 304, the
    visitor's copy is good; 412, they do not hold.

    :param etag: the entity tag of what there is; None: there is nothing yet.
    """
    if (tags := environ.get("HTTP_IF_MATCH")) is not None:
        if not _is_among(etag, tags, strongly=True):
            return 412
    elif modified is not None and (text := environ.get("HTTP_IF_UNMODIFIED_SINCE")) is not None:
        date = read_date(text)
        if date is not None and modified > date:
            return 412
    safe = environ["REQUEST_METHOD"] in _SAFE
    if (tags := environ.get("HTTP_IF_NONE_MATCH")) is not None:
        if _is_among(etag, tags, strongly=False):
            return 304 if safe else 412
    elif safe and modified is not None and (text := environ.get("HTTP_IF_MODIFIED_SINCE")) is not None:
        date = read_date(text)
        if date is not None and modified <= date:
            return 304
    return 200


def ranges(environ: Mapping[str, Any], etag: str, size: int) -> list[Span] | None:
    """The spans of `size` bytes that a request asks for: disjoint, in the order asked for. None: it asks for all, or
    for what is passed over. Empty: there is nothing there of what it asks for.
    """
    text = environ.get("HTTP_RANGE")
    if text is None or environ["REQUEST_METHOD"] != "GET" or not _is_unchanged(environ.get("HTTP_IF_RANGE"), etag):
        return None
    asked = read_ranges(text)
    if asked is None:
        return None
    if not size and any(first is None and last for first, last in asked):
        return None  # the last bytes of nothing are there, and no Content-Range could say which
    return _joined(span for pair in asked if (span := _span(*pair, size)) is not None)


def read_ranges(text: str) -> list[tuple[int | None, int | None]] | None:
    """`bytes=0-4,9-,-5` as [(0, 4), (9, None), (None, 5)]. None: it is another unit's, or is not valid, or asks for
    more than `MOST_RANGES`."""
    unit, equals, listed = text.strip(" \t").partition("=")
    if not equals or unit.lower() != "bytes" or listed.count(",") > 2 * MOST_RANGES:
        return None
    found: list[tuple[int | None, int | None]] = []
    for part in listed.split(","):
        part = part.strip(" \t")
        if not part:
            continue  # section 5.6.1.2: a list may hold elements with nothing in them
        first, dash, last = part.partition("-")
        if not dash or not (first or last) or not _is_number(first) or not _is_number(last):
            return None
        pair = (_number(first), _number(last))
        if pair[0] is not None and pair[1] is not None and pair[1] < pair[0]:
            return None
        found.append(pair)
    return found if 0 < len(found) <= MOST_RANGES else None


def read_tags(text: str) -> list[str] | None:
    """The entity tags of a list, as they are written; None where it is not one."""
    found, at = [], 0
    while match := _tag().match(text, at):
        found.append(match[1])
        at = match.end()
    return found if found and not text[at:].strip(" \t,") else None


def read_date(text: str) -> int | None:
    """An HTTP date in any of the three formats of section 5.6.7, as seconds since the epoch; None where it is none."""
    text = text.strip(" \t")
    match = next((found for pattern in _dates() if (found := pattern.fullmatch(text))), None)
    if match is None:
        return None
    from datetime import datetime, timedelta, timezone

    year, month, day = int(match["year"]), _MONTHS.index(match["month"]) + 1, int(match["day"])
    clock = (int(match["hour"]), int(match["minute"]), min(int(match["second"]), 59))  # 60: a leap second
    try:
        if len(match["year"]) == 4:
            return int(datetime(year, month, day, *clock, tzinfo=timezone.utc).timestamp())
        # More than fifty years ahead is the last year with these digits.
        now = datetime.now(timezone.utc)
        date = datetime(now.year - now.year % 100 + year, month, day, *clock, tzinfo=timezone.utc)
        if date > now + timedelta(days=50 * 365.25):
            date = date.replace(year=date.year - 100)
        return int(date.timestamp())
    except ValueError:  # the 31st of June
        return None


class ByteRanges:
    """Several spans in one body: section 14.6.

    :param kind: the Content-Type of what they are spans of.
    """

    def __init__(self, spans: list[Span], size: int, kind: str | None) -> None:
        import secrets

        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        described = "" if kind is None else f"Content-Type: {kind}\r\n"
        self._parts = [
            (f"\r\n--{boundary}\r\n{described}Content-Range: bytes {a}-{b - 1}/{size}\r\n\r\n".encode("latin1"), a, b)
            for a, b in spans
        ]
        self._end = f"\r\n--{boundary}--\r\n".encode()
        #: Bytes of the body.
        self.length = sum(len(head) + stop - start for head, start, stop in self._parts) + len(self._end)

    def body(self, read: Read) -> Iterator[bytes]:
        for head, start, stop in self._parts:
            yield head
            yield from read(start, stop)
        yield self._end


def _is_among(etag: str | None, text: str, *, strongly: bool) -> bool:
    """Whether a list of tags, or `*`, is met by `etag`: section 8.8.3.2."""
    if etag is None:
        return False
    if text.strip(" \t") == "*":
        return True
    tags = read_tags(text) or ()
    if strongly:
        return not etag.startswith("W/") and etag in tags
    opaque = etag.removeprefix("W/")
    return any(tag.removeprefix("W/") == opaque for tag in tags)


def _is_unchanged(text: str | None, etag: str) -> bool:
    """If-Range: section 13.1.5. A date is not enough: nobody here knows that a file changed only once in its second,
    and two halves of different files would be put together."""
    return text is None or (text.strip(" \t") == etag and not etag.startswith("W/"))


def _span(first: int | None, last: int | None, size: int) -> Span | None:
    """What there is of a range; None: nothing."""
    if first is None:
        start, stop = max(0, size - (last or 0)), size
    else:
        start, stop = first, size if last is None else min(last + 1, size)
    return (start, stop) if start < stop else None


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same bytes, none of them twice: those that overlap or touch are one, at the place of the first."""
    found: list[Span] = []
    for span in spans:
        apart = []
        place = len(found)
        for index, other in enumerate(found):
            if span[0] <= other[1] and other[0] <= span[1]:
                span = (min(span[0], other[0]), max(span[1], other[1]))
                place = min(place, index)
            else:
                apart.append(other)
        found = [*apart[:place], span, *apart[place:]]
    return found


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal())


def _number(text: str) -> int | None:
    digits = text.lstrip("0") or text[:1]
    return min(int(digits), _HUGE) if 0 < len(digits) < 20 else (_HUGE if digits else None)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Compiled at the first request that needs them: a cold start has none.


@functools.cache
def _tag() -> re.Pattern[str]:
    return re.compile(r'[ \t,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|\Z)')


@functools.cache
def _dates() -> list[re.Pattern[str]]:
    """IMF-fixdate; those of RFC 850 and of C's asctime(), which no one shall send and everyone shall read."""
    time = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
    month = f"(?P<month>{'|'.join(_MONTHS)})"
    short, long = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
    day, year = "(?P<day>[0-9]{2})", "(?P<year>[0-9]{4})"
    return [
        re.compile(f"{short}, {day} {month} {year} {time} GMT"),
        re.compile(f"{long}, {day}-{month}-(?P<year>[0-9]{{2}}) {time} GMT"),
        re.compile(f"{short} {month} (?P<day>[0-9]{{2}}| [0-9]) {time} {year}"),
    ]
