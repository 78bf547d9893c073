"""What RFC 9110 says of requests for a file, case by case: which section, how strongly, what is asked, what is to come.

The files are `plain` (20 bytes, 0 to 9 and a to j), `style.css` (which is smaller when it is packed) and `empty`. In a
row, `{tag}` is the entity tag of what the same request without conditions is answered with, `{gzip}` that of
style.css in gzip and so on, `{date}` the date of the files, `{before}` and `{after}` a second from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

MUST, SHOULD, MAY = "MUST", "SHOULD", "MAY"
ALL = b"0123456789abcdefghij"


class Row(NamedTuple):
    section: str
    level: str
    #: The method and the file: `GET plain`.
    asked: str
    headers: dict[str, str]
    status: int
    #: Headers of the answer; None: not there. `body`: its bytes; `parts`: those of each part.
    answer: Mapping[str, Any] = {}


def _none_match(value: str, status: int, level: str = MUST, section: str = "13.1.2", **more: str) -> Row:
    return Row(section, level, "GET plain", {"If-None-Match": value, **_named(more)}, status)


def _match(value: str, status: int, level: str = MUST, **more: str) -> Row:
    return Row("13.1.1", level, "GET plain", {"If-Match": value, **_named(more)}, status)


def _since(value: str, status: int, section: str = "13.1.3", level: str = SHOULD, **more: str) -> Row:
    return Row(section, level, "GET plain", {"If-Modified-Since": value, **_named(more)}, status)


def _unmodified(value: str, status: int, section: str = "13.1.4", level: str = MUST, **more: str) -> Row:
    return Row(section, level, "GET plain", {"If-Unmodified-Since": value, **_named(more)}, status)


def _part(value: str, body: bytes, place: str, section: str = "14.1.2", level: str = MUST, **more: str) -> Row:
    answer = {"body": body, "Content-Range": f"bytes {place}/20"}
    return Row(section, level, "GET plain", {"Range": value, **_named(more)}, 206, answer)


def _parts(value: str, *parts: bytes, section: str = "14.2", level: str = MAY) -> Row:
    return Row(section, level, "GET plain", {"Range": value}, 206, {"parts": parts, "Content-Range": None})


def _whole(value: str, section: str = "14.2", level: str = MAY, **more: str) -> Row:
    return Row(section, level, "GET plain", {"Range": value, **_named(more)}, 200, {"body": ALL, "Content-Range": None})


def _nothing(value: str, section: str = "14.2", level: str = SHOULD, **more: str) -> Row:
    return Row(section, level, "GET plain", {"Range": value, **_named(more)}, 416, {"Content-Range": "bytes */20"})


def _coded(accepted: str, coding: str | None, level: str = MUST, file: str = "style.css") -> Row:
    answer = {"Content-Encoding": coding, "Vary": "Accept-Encoding"}
    return Row("12.5.3", level, f"GET {file}", {"Accept-Encoding": accepted}, 200, answer)


def _named(more: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in more.items()}


BASIC = [
    Row("8.3", SHOULD, "GET plain", {}, 200, {"Content-Type": "application/octet-stream"}),
    Row("8.3", SHOULD, "GET style.css", {}, 200, {"Content-Type": "text/css; charset=utf-8"}),
    Row("8.6", SHOULD, "GET plain", {}, 200, {"Content-Length": "20"}),
    Row("8.6", SHOULD, "HEAD plain", {}, 200, {"Content-Length": "20", "body": b""}),
    Row("8.6", SHOULD, "GET empty", {}, 200, {"Content-Length": "0", "body": b""}),
    Row("8.8.2", SHOULD, "GET plain", {}, 200, {"Last-Modified": "{date}"}),
    Row("8.8.2.1", MUST, "GET future", {}, 200, {"Last-Modified": "{not later}"}),
    Row("8.8.3", SHOULD, "GET plain", {}, 200, {"ETag": "{tag}"}),
    Row("8.8.3", SHOULD, "HEAD plain", {}, 200, {"ETag": "{tag}"}),
    Row("9.3.2", MUST, "HEAD style.css", {}, 200, {"body": b""}),
    Row("14.3", MAY, "GET plain", {}, 200, {"Accept-Ranges": "bytes"}),
    *(Row("15.5.6", MUST, f"{m} plain", {}, 405, {"Allow": "GET, HEAD"}) for m in ("POST", "PUT", "DELETE", "PATCH")),
    Row("15.5.5", MUST, "GET nothing", {}, 404, {"ETag": None, "Cache-Control": "no-store"}),
    Row("15.5.5", MUST, "HEAD nothing", {}, 404, {"body": b""}),
]

IF_NONE_MATCH = [
    _none_match("{tag}", 304),
    _none_match("W/{tag}", 304),  # weak comparison
    _none_match('"other"', 200),
    _none_match('W/"other"', 200),
    _none_match("*", 304),
    _none_match(" \t* ", 304),
    _none_match('"*"', 200),
    _none_match('"other", {tag}', 304),
    _none_match('{tag}, "other"', 304),
    _none_match('"other", W/{tag}, "third"', 304),
    _none_match('"other",{tag}', 304, section="5.6.1.2"),
    _none_match('"other" , \t {tag}\t', 304, section="5.6.1.2"),
    _none_match(', ,"other",, {tag} ,', 304, section="5.6.1.2"),
    _none_match('"a,b", {tag}', 304, section="8.8.3"),  # a comma may be a part of a tag
    _none_match('"a b", {tag}', 200, section="8.8.3"),  # a space may not
    _none_match('"", {tag}', 304, section="8.8.3"),
    _none_match('"\xe9", {tag}', 304, section="8.8.3"),
    _none_match("{bare}", 200, section="8.8.3"),
    _none_match("'{bare}'", 200, section="8.8.3"),
    _none_match("w/{tag}", 200, section="8.8.3"),  # W/ is case-sensitive
    _none_match("W/ {tag}", 200, section="8.8.3"),
    _none_match('"{bare}', 200, section="8.8.3"),
    _none_match('{tag} "other"', 200, section="5.6.1.2"),
    _none_match('*, "other"', 200),
    _none_match("", 200),
    _none_match('"{shouted}"', 200, section="8.8.3.2"),
    Row("13.1.2", MUST, "HEAD plain", {"If-None-Match": "{tag}"}, 304),
    Row("13.1.2", MUST, "HEAD plain", {"If-None-Match": '"other"'}, 200),
    Row("13.2.1", MUST, "POST plain", {"If-None-Match": "{tag}"}, 405),
    Row("13.2.1", MUST, "GET nothing", {"If-None-Match": "*"}, 404),
    Row("15.4.5", MUST, "GET plain", {"If-None-Match": "{tag}"}, 304, {"ETag": "{tag}", "Cache-Control": "no-cache"}),
    Row("15.4.5", SHOULD, "GET plain", {"If-None-Match": "{tag}"}, 304, {"Last-Modified": None, "Content-Type": None}),
    Row("15.4.5", MUST, "GET style.css", {"If-None-Match": "{tag}"}, 304, {"Vary": "Accept-Encoding"}),
]

IF_MATCH = [
    _match("{tag}", 200),
    _match('"other"', 412),
    _match("W/{tag}", 412),  # strong comparison
    _match('"other", {tag}', 200),
    _match('"other", W/{tag}', 412),
    _match("*", 200),
    _match('"*"', 412),
    _match("{bare}", 412),
    _match("", 412),
    _match(",{tag},", 200),
    Row("13.1.1", MUST, "HEAD plain", {"If-Match": '"other"'}, 412, {"body": b""}),
    Row("13.1.1", MUST, "HEAD plain", {"If-Match": "{tag}"}, 200),
    Row("13.2.1", MUST, "GET nothing", {"If-Match": '"other"'}, 404),
    Row("13.2.1", MUST, "DELETE plain", {"If-Match": '"other"'}, 405),
]

DATES = [
    _since("{date}", 304),
    _since("{after}", 304),
    _since("{before}", 200),
    _since("Fri, 01 Jan 2100 00:00:00 GMT", 304),
    _since("{date850}", 304, "5.6.7", MUST),
    _since("{dateC}", 304, "5.6.7", MUST),
    _since("{before850}", 200, "5.6.7", MUST),
    _since("{beforeC}", 200, "5.6.7", MUST),
    _since("Sunday, 06-Nov-94 08:49:37 GMT", 200, "5.6.7", MUST),
    _since("Monday, 06-Nov-{far} 08:49:37 GMT", 200, "5.6.7", MUST),  # 60 years ahead is 40 years ago
    _since("Wednesday, 06-Nov-{near} 08:49:37 GMT", 304, "5.6.7", MUST),  # 20 years ahead is not
    _since("yesterday", 200, level=MUST),
    _since("", 200, level=MUST),
    _since("1700000000", 200, level=MUST),
    _since("{date}, {date}", 200, level=MUST),
    _since("Tue, 14 Nov 12023 22:13:20 GMT", 200, level=MUST),
    _since("Tue, 31 Nov 2023 22:13:20 GMT", 200, level=MUST),
    _since("Tue, 14 Nov 2100 24:13:20 GMT", 200, level=MUST),
    _since("Tue, 14 Nov 2100 22:60:20 GMT", 200, level=MUST),
    _since("Tue, 14 nov 2100 22:13:20 GMT", 200, "5.6.7", MUST),  # case-sensitive
    _since("Tue, 14 Nov 2100 22:13:20 UTC", 200, "5.6.7", MUST),
    _since("Tue, 14 Nov 2100 22:13:20 +0000", 200, "5.6.7", MUST),
    _since("14 Nov 2100 22:13:20 GMT", 200, "5.6.7", MUST),
    _since("Tue, 14 Nov 2100 22:13:60 GMT", 304, "5.6.7", MUST),  # a leap second
    _since("{after}", 200, level=MUST, if_none_match='"other"'),
    _since("{before}", 304, level=MUST, if_none_match="{tag}"),
    _since("{after}", 200, level=MUST, if_none_match="nonsense"),
    Row("13.1.3", SHOULD, "HEAD plain", {"If-Modified-Since": "{date}"}, 304),
    Row("13.1.3", MUST, "POST plain", {"If-Modified-Since": "{date}"}, 405),
    Row("13.1.3", MUST, "GET undated", {"If-Modified-Since": "{after}"}, 200),
    Row("13.2.1", MUST, "GET nothing", {"If-Modified-Since": "{after}"}, 404),
    _unmodified("{date}", 200),
    _unmodified("{after}", 200),
    _unmodified("{before}", 412),
    _unmodified("{before850}", 412, "5.6.7"),
    _unmodified("{beforeC}", 412, "5.6.7"),
    _unmodified("yesterday", 200),
    _unmodified("{before}, {before}", 200),
    _unmodified("{before}", 200, if_match="{tag}"),
    _unmodified("{after}", 412, if_match='"other"'),
    _unmodified("{before}", 412, "13.2.2", if_none_match="{tag}"),
    _unmodified("{after}", 304, "13.2.2", if_none_match="{tag}"),
    _unmodified("{after}", 304, "13.2.2", if_modified_since="{date}"),
    _unmodified("{before}", 412, "13.2.2", if_modified_since="{date}"),
    Row("13.1.4", MUST, "GET undated", {"If-Unmodified-Since": "{before}"}, 200),
    Row("13.1.4", MUST, "HEAD plain", {"If-Unmodified-Since": "{before}"}, 412, {"body": b""}),
    _match("{tag}", 304, if_none_match="{tag}"),
    _match('"other"', 412, if_none_match="{tag}"),
    _match("{tag}", 200, if_none_match='"other"', if_modified_since="{after}"),
]

RANGE = [
    _part("bytes=0-0", b"0", "0-0"),
    _part("bytes=0-4", b"01234", "0-4"),
    _part("bytes=19-19", b"j", "19-19"),
    _part("bytes=5-", b"56789abcdefghij", "5-19"),
    _part("bytes=19-", b"j", "19-19"),
    _part("bytes=0-", ALL, "0-19"),
    _part("bytes=15-99", b"fghij", "15-19"),
    _part("bytes=0-19", ALL, "0-19"),
    _part("bytes=-1", b"j", "19-19"),
    _part("bytes=-5", b"fghij", "15-19"),
    _part("bytes=-20", ALL, "0-19"),
    _part("bytes=-99", ALL, "0-19"),
    _part("bytes=15-" + "9" * 30, b"fghij", "15-19", "14.1.1"),
    _part("bytes=15-" + "9" * 5000, b"fghij", "15-19", "14.1.1"),  # no number is too long
    _part("bytes=-" + "9" * 5000, ALL, "0-19", "14.1.1"),
    _part("bytes=00015-0000017", b"fgh", "15-17", "14.1.1"),
    _part("BYTES=1-2", b"12", "1-2", "14.1"),
    _part("Bytes=1-2", b"12", "1-2", "14.1"),
    _part("bytes=1-2,", b"12", "1-2", "5.6.1.2"),
    _part("bytes= , 1-2\t,", b"12", "1-2", "5.6.1.2"),
    _nothing("bytes=20-"),
    _nothing("bytes=20-30"),
    _nothing("bytes=" + "9" * 5000 + "-"),
    _nothing("bytes=-0", "14.1.2"),
    _nothing("bytes=20-,30-40,-0"),
    _nothing("bytes=20-", "15.5.17"),
    _whole("bytes=4-2", "14.1.1", MUST),
    _whole("bytes=0-1,4-2", "14.1.1", MUST),
    *(_whole(f"bytes={text}", "14.1.1") for text in ("", "-", "a-b", "1", "--1", "+0-1", "0-+1", "0_0-1", "1-2-3")),
    *(_whole(f"bytes={text}", "14.1.1") for text in ("0 - 1", "0-1;2-3", "0x0-1", "1.0-2", "\xb2-3", "0-1 2-3")),
    _whole("bytes 0-1", "14.2"),
    _whole("lines=0-1", "14.2", MUST),
    _whole("bytes,lines=0-1", "14.2", MUST),
    _whole("", "14.2"),
    Row("14.2", MUST, "HEAD plain", {"Range": "bytes=0-4"}, 200, {"Content-Range": None, "Content-Length": "20"}),
    Row("14.2", MUST, "HEAD plain", {"Range": "bytes=20-"}, 200, {"Content-Range": None}),
    Row("14.2", MUST, "POST plain", {"Range": "bytes=0-4"}, 405, {"Content-Range": None}),
    Row("14.2", MUST, "GET nothing", {"Range": "bytes=0-4"}, 404, {"Content-Range": None}),
    Row("14.2", SHOULD, "GET empty", {"Range": "bytes=0-"}, 416, {"Content-Range": "bytes */0"}),
    Row("14.1.2", MAY, "GET empty", {"Range": "bytes=-5"}, 200, {"Content-Range": None, "body": b""}),
    Row("13.2.2", MUST, "GET plain", {"Range": "bytes=0-4", "If-None-Match": "{tag}"}, 304),
    Row("13.2.2", MUST, "GET plain", {"Range": "bytes=20-", "If-None-Match": "{tag}"}, 304),
    Row("13.2.2", MUST, "GET plain", {"Range": "bytes=0-4", "If-Modified-Since": "{date}"}, 304),
    Row("13.2.2", MUST, "GET plain", {"Range": "bytes=0-4", "If-Match": '"other"'}, 412),
    Row("13.2.2", MUST, "GET plain", {"Range": "bytes=0-4", "If-Unmodified-Since": "{before}"}, 412),
    _part("bytes=0-4", b"01234", "0-4", "13.2.2", if_match="{tag}"),
    _part("bytes=0-4", b"01234", "0-4", "13.2.2", if_none_match='"other"'),
    _part("bytes=0-4", b"01234", "0-4", "13.2.2", if_unmodified_since="{date}"),
    Row("15.3.7", MUST, "GET plain", {"Range": "bytes=0-4"}, 206, {"ETag": "{tag}", "Cache-Control": "no-cache"}),
    Row("15.3.7", MUST, "GET plain", {"Range": "bytes=0-4"}, 206, {"Last-Modified": "{date}"}),
    Row("15.3.7", MUST, "GET style.css", {"Range": "bytes=0-4"}, 206, {"Vary": "Accept-Encoding"}),
    Row("15.3.7.1", MUST, "GET plain", {"Range": "bytes=0-4"}, 206, {"Content-Type": "application/octet-stream"}),
]

RANGES = [
    _parts("bytes=0-1,4-5", b"01", b"45"),
    _parts("bytes=4-5,0-1", b"45", b"01", section="15.3.7.2", level=SHOULD),  # in the order asked for
    _parts("bytes=0-0,-1", b"0", b"j"),
    _parts("bytes=0-1, 4-5 ,\t18-", b"01", b"45", b"ij"),
    _parts("bytes=0-1,30-40,4-5", b"01", b"45"),  # what is not there is left out
    _parts("bytes=0-4,2-6,10-11", b"0123456", b"ab", section="15.3.7.2"),  # what overlaps is one
    _parts("bytes=10-11,2-6,0-4", b"ab", b"0123456", section="15.3.7.2"),
    _parts("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 20, 2)), *(ALL[n : n + 1] for n in range(0, 20, 2))),
    _part("bytes=0-1,30-40", b"01", "0-1", "15.3.7.2"),
    _part("bytes=0-4,2-6", b"0123456", "0-6", "15.3.7.2", MAY),
    _part("bytes=0-1,2-3", b"0123", "0-3", "15.3.7.2", MAY),
    _part("bytes=0-,0-,0-,0-", ALL, "0-19", "14.2", SHOULD),
    _whole("bytes=" + ",".join(["0-"] * 33), "14.2", SHOULD),  # an attack: section 17.15
    _whole("bytes=" + ",".join(f"{n}-{n}" for n in range(1000)), "17.15", SHOULD),
    _whole("bytes=" + "," * 100_000 + "0-1", "17.15", SHOULD),
]

IF_RANGE = [
    _part("bytes=0-4", b"01234", "0-4", "13.1.5", if_range="{tag}"),
    _part("bytes=0-4", b"01234", "0-4", "13.1.5", if_range=" {tag}\t"),
    _whole("bytes=0-4", "13.1.5", MUST, if_range='"other"'),
    _whole("bytes=0-4", "13.1.5", MUST, if_range="W/{tag}"),
    _whole("bytes=0-4", "13.1.5", MUST, if_range="{date}"),  # not known to be strong
    _whole("bytes=0-4", "13.1.5", MUST, if_range="{before}"),
    _whole("bytes=0-4", "13.1.5", MUST, if_range="{after}"),
    _whole("bytes=0-4", "13.1.5", MUST, if_range="nonsense"),
    _whole("bytes=0-4", "13.1.5", MUST, if_range=""),
    _whole("bytes=0-4", "13.1.5", MUST, if_range='{tag}, "other"'),
    _whole("bytes=0-4", "13.1.5", MUST, if_range="*"),
    _whole("bytes=20-", "13.1.5", MUST, if_range='"other"'),
    _nothing("bytes=20-", "13.1.5", if_range="{tag}"),
    Row("13.1.5", MUST, "GET plain", {"If-Range": '"other"'}, 200),
    Row("13.1.5", MUST, "HEAD plain", {"If-Range": "{tag}", "Range": "bytes=0-4"}, 200),
    Row("13.2.2", MUST, "GET plain", {"If-Range": '"other"', "Range": "bytes=0-4", "If-None-Match": "{tag}"}, 304),
    Row("15.3.7", SHOULD, "GET plain", {"If-Range": "{tag}", "Range": "bytes=0-4"}, 206, {"Last-Modified": None}),
]

_TWO = {"Accept-Encoding": "gzip, br"}
ENCODING = [
    Row("12.5.3", MAY, "GET style.css", {}, 200, {"Content-Encoding": None, "Vary": "Accept-Encoding"}),
    _coded("", None),
    _coded("gzip", "gzip", MAY),
    _coded("br", "br", MAY),
    _coded("zstd", "zstd", MAY),
    _coded("GZip", "gzip", MAY),
    _coded("x-gzip", "gzip", SHOULD),  # section 8.4.1.3
    _coded("deflate", None, SHOULD),
    _coded("compress, exi, dcb", None, SHOULD),
    _coded("identity", None),
    _coded("gzip, deflate, br, zstd", "br", MAY),
    _coded("gzip, zstd", "zstd", MAY),
    _coded("br;q=0.5, gzip;q=0.8", "gzip", SHOULD),
    _coded("br;q=0.8, gzip;q=0.5", "br", SHOULD),
    _coded("br;q=0, gzip", "gzip"),
    _coded("br;q=0.0, zstd;q=0.00, gzip;q=0.000", None),
    _coded("gzip;q=0", None),
    _coded("gzip; q=0", None),
    _coded("gzip ;q=0", None),
    _coded("gzip;Q=0", None),
    _coded("gzip;q=0.001", "gzip", MAY),
    _coded("gzip;q=1.000", "gzip", MAY),
    _coded("*", "br", MAY),
    _coded("*;q=0.5, br;q=0", "zstd", MAY),
    _coded("gzip, *;q=0", "gzip"),
    _coded("identity, *;q=0", None),
    _coded("identity;q=0, gzip", "gzip"),
    _coded("identity;q=0.5, gzip;q=1", "gzip", SHOULD),
    _coded("identity;q=1, gzip;q=0.5", None, SHOULD),
    _coded("gzip;q=0.5, identity", None, SHOULD),
    _coded("gzip;q=2", None),  # not a weight
    _coded("gzip;q=0.1234", None),
    _coded("gzip;q=", None),
    _coded("gzip;level=9", None),
    _coded(", gzip ,, ", "gzip", MAY),
    _coded("gzipped, brotli", None),
    Row("12.5.3", SHOULD, "GET style.css", {"Accept-Encoding": "identity;q=0"}, 406, {"Vary": "Accept-Encoding"}),
    Row("12.5.3", SHOULD, "GET style.css", {"Accept-Encoding": "*;q=0"}, 406, {"Cache-Control": "no-store"}),
    Row("12.5.3", SHOULD, "GET style.css", {"Accept-Encoding": "deflate, *;q=0"}, 406),
    Row("12.5.3", MUST, "GET plain", {"Accept-Encoding": "gzip, identity;q=0"}, 200, {"Content-Encoding": "gzip"}),
    Row("12.5.3", MAY, "GET plain", {"Accept-Encoding": "gzip, br"}, 200, {"Content-Encoding": None}),
    Row("12.5.3", MAY, "GET empty", {"Accept-Encoding": "gzip, br"}, 200, {"Content-Encoding": None}),
    Row("9.3.2", SHOULD, "HEAD style.css", {"Accept-Encoding": "gzip"}, 200, {"Content-Encoding": "gzip"}),
    Row("8.8.3.3", MUST, "GET style.css", {"Accept-Encoding": "br"}, 200, {"ETag": "{br}"}),
    Row("8.8.3.3", MUST, "GET style.css", {"Accept-Encoding": "gzip"}, 200, {"ETag": "{gzip}"}),
    Row("8.8.3.3", MUST, "GET style.css", {"Accept-Encoding": "zstd"}, 200, {"ETag": "{zstd}"}),
    Row("8.8.3.3", MUST, "GET style.css", {**_TWO, "If-None-Match": "{br}"}, 304, {"ETag": "{br}"}),
    Row("8.8.3.3", MUST, "GET style.css", {**_TWO, "If-None-Match": "{gzip}"}, 200, {"Content-Encoding": "br"}),
    Row("8.8.3.3", MUST, "GET style.css", {**_TWO, "If-None-Match": "{identity}"}, 200),
    Row("8.8.3.3", MUST, "GET style.css", {"If-None-Match": "{gzip}"}, 200, {"Content-Encoding": None}),
    Row("8.8.3.3", MUST, "GET style.css", {"Accept-Encoding": "gzip", "If-Match": "{identity}"}, 412),
    Row("14.2", MUST, "GET style.css", {**_TWO, "Range": "bytes=0-3"}, 206, {"ETag": "{identity}", "body": b"body"}),
    Row("13.1.5", MUST, "GET style.css", {**_TWO, "Range": "bytes=9-", "If-Range": "{br}"}, 206, {"ETag": "{br}"}),
    Row("13.1.5", MUST, "GET style.css", {**_TWO, "Range": "bytes=9-", "If-Range": "{gzip}"}, 206, {"ETag": "{gzip}"}),
    Row("13.1.5", MUST, "GET style.css", {**_TWO, "Range": "bytes=9-", "If-Range": "{zstd}"}, 200, {"ETag": "{br}"}),
    Row("13.1.5", MUST, "GET style.css", {"Range": "bytes=9-", "If-Range": "{br}"}, 200, {"ETag": "{identity}"}),
    Row("15.5.17", SHOULD, "GET style.css", {**_TWO, "Range": "bytes=2000-"}, 416, {"Content-Range": "bytes */2000"}),
]

ROWS = [*BASIC, *IF_NONE_MATCH, *IF_MATCH, *DATES, *RANGE, *RANGES, *IF_RANGE, *ENCODING]
