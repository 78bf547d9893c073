"""What nobody should send, by kinds: at least a thousand requests as bytes, the same in every run.

Each kind is a table of cases made by hand, in a request that is right but for them; beside them stand right requests
that were cut off, or changed, by chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

SIZE = 110
#: Answers SMUGGLED. It stands where no server may find a request.
INNER = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Case(NamedTuple):
    kind: str
    data: bytes


def request(line: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"Host: localhost") -> bytes:
    lines = [line, *([host] if host else []), b"Sec-Fetch-Site: same-origin", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def post(path: bytes, kind: bytes, body: bytes, *headers: bytes) -> bytes:
    length = (
        []
        if any(b"length" in header.lower() or b"transfer" in header.lower() for header in headers)
        else [b"Content-Length: %d" % len(body)]
    )
    return request(b"POST " + path + b" HTTP/1.1", b"Content-Type: " + kind, *length, *headers, body=body)


FORM = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=b"
JSON = b"application/json"
TWO_PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\nContent-Type: image/png\r\n\r\n\xff\x00\r\n'
    b"--b--\r\n"
)
CHUNKS = b"3\r\na=1\r\n4;x=y\r\n&b=2\r\n0\r\nX-Sum: 1\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
RIGHT = [
    request(b"GET /seen?a=1&b=%C3%A9 HTTP/1.1", b'Cookie: a="x\\054y"; session=abc; b=2'),
    post(b"/form", FORM, b"a=1&b=%C3%A9&c=+%20"),
    post(b"/form", MULTIPART, TWO_PARTS),
    post(b"/form/streamed", MULTIPART, TWO_PARTS),
    post(b"/json", JSON, b'{"a": [1, 2.5e3, null, "\\ud83d\\ude00"], "b": {"c": true}}'),
    post(b"/form", FORM, CHUNKS, CHUNKED),
    request(b"PUT /raw/streamed HTTP/1.1", b"Content-Length: 5", body=b"hello"),
]
_SIGNS = [bytes((number,)) for number in (*range(9), 9, 11, 12, 13, 14, 27, 31, 127, 128, 133, 160, 255)]
_TOKENS = [
    *_SIGNS, b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b":", b";", b"=", b'"', b"\\", b"%", b"%00", b"%ff", b"--b",
    b"--", b"&", b"[", b"{", b"NaN", b"\\ud800", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1", b"9" * 400,
    b"charset=zlib", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"boundary=", b"filename*=utf-8''x",
    b"HTTP/1.1",
]  # fmt: skip


def lines(_chance: random.Random) -> Iterator[bytes]:
    for method in [
        b"",
        b"get",
        b"G T",
        b"GE\tT",
        b"GET\x00",
        b"(GET)",
        b"G" * 9000,
        b"PRI",
        b"CONNECT",
        b"TRACE",
        b"\xff",
    ]:
        yield request(method + b" / HTTP/1.1")
    for target in [
        b"", b"*", b"//", b"///..//", b"/../../etc/passwd", b"/%2e%2e/%2e%2e", b"/a b", b"/\t", b"/\x00", b"/\x7f",
        b"/\xff", b"/" + b"a" * 9000, b"?", b"#", b"/#a", b"/seen?#", b"http://", b"http://[", b"http://[::1",
        b"http:///x", b"http://a:b@c:99999/", b"https://localhost/", b"ftp://localhost/", b"localhost:80", b"/\\..\\",
        b"/;a=b", b"/%", b"/seen?" + b"&" * 3000, b"/seen?" + b"a=1&" * 1900, b"/%u0041", b"/{x}", b"/<script>",
        b"/|", b"//evil.example/",
    ]:  # fmt: skip
        yield request(b"GET " + target + b" HTTP/1.1")
    for version in [
        b"", b"HTTP", b"HTTP/", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.1.1", b"HTTP/01.1", b"HTTP/1.10",
        b"http/1.1", b"HTTP/-1.1", b"HTTP/1.1 x", b"HTTP /1.1", b"HTTP/\xb9.1", b"XTTP/1.1", b"HTTP/1.1\x00",
        b"HTTP/0.9", b"HTTP/1,1",
    ]:  # fmt: skip
        yield request(b"GET / " + version)
    for end in [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\t\r\n", b"\n\r"]:
        yield b"GET / HTTP/1.1" + end + b"Host: localhost\r\n\r\n"
    for before in [
        b"\r\n",
        b"\n",
        b"\r\n" * 9,
        b" ",
        b"\x00",
        b"\xef\xbb\xbf",
        b"\x16\x03\x01\x02\x00\x01",
        b"SSH-2.0-x\r\n",
    ]:
        yield before + RIGHT[0]
    yield b"GET  /  HTTP/1.1\r\nHost: localhost\r\n\r\n"


def headers(_chance: random.Random) -> Iterator[bytes]:
    for host in [
        b"", b"Host:", b"Host: ", b"Host: a b", b"Host: \xff", b"Host: [::1", b"Host: x:y", b"Host: x:99999",
        b"Host: x/y", b"Host: a\r\nHost: b", b"Host: user@x", b"Host : localhost", b" Host: localhost",
        b"Host: localhost\x00", b"Host: " + b"a" * 7000, b"Host: ../..", b"Host: a,b", b"Host: <script>",
    ]:  # fmt: skip
        yield request(b"GET /seen HTTP/1.1", host=host)
    for line in [
        b"no colon", b": nothing", b" folded: a", b"A: b\r\n c", b"A: b\r\n\tc", b"A:\x00", b"A: \x7f", b"A: b\rC: d",
        b"A: b\nC: d", b"A\x00: b", b"A B: c", b"A\t: b", b"A(: b", b"\xff: b", b"A: \xff\xfe", b"A_B: c", b"-: a",
        b"A: " + b"x" * 9000, b"x" * 9000 + b": a", b"\r\n".join(b"A%d: b" % number for number in range(200)),
        b"\r\n".join([b"Accept: a"] * 90), b"Connection: close, keep-alive, x", b"Connection: \xff", b"Upgrade: h2c",
        b"Expect: 100-continue", b"Expect: 200-ok", b"Expect: " + b"x" * 500, b"Trailer: Content-Length", b"TE: \xff",
        b"Script-Name: /x", b"Script_Name: /x", b"Path-Info: /x", b"Proxy: http://x", b"Wsgi-Input: x",
        b"Remote-Addr: x", b"X-Forwarded-For: " + b"1," * 2000, b"X-Forwarded-For: \xff",
        b"X-Forwarded-Proto: javascript", b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
        b"X-Forwarded-Host: \"", b"X-Forwarded-Port: -1", b"Forwarded: for=\";;\"",
        b"Forwarded: " + b"for=[::1];" * 500, b"Forwarded: \xff=", b"X-Request-Id: \xff\x80",
        b"X-Request-Id: " + b"x" * 5000, b"Traceparent: 00-zz", b"X-Cloud-Trace-Context: /;o=", b"X-Real-Ip: []",
        b"Origin: null\r\nOrigin: x", b"Origin: http://[", b"Origin: \xff", b"Referer: http://[", b"Referer: \xff",
        b"Sec-Fetch-Site: \xff", b"Authorization: Basic \xff", b"Authorization: Basic ====", b"Authorization: Digest",
        b"If-None-Match: \"", b"If-None-Match: " + b'"a",' * 2000, b"If-Modified-Since: never", b"If-Range: \xff",
        b"If-Modified-Since: Sun, 06 Nov 99999 08:49:37 GMT", b"Range: bytes=-", b"Range: bytes=9-1,,",
        b"Range: \xff", b"Range: bytes=" + b"0-," * 2000, b"Range: bytes=" + b"9" * 5000 + b"-",
        b"Accept: */*;q=\xff", b"Accept: ;;q=,,", b"Accept: " + b"a/b;q=0.1," * 700, b"Accept-Encoding: gzip;q=x",
        b"Accept-Encoding: ;", b"Accept-Language: \xff", b"Content-Type: \xff", b"Content-Type: ;;;=",
        b"Content-Type: a/b; charset=\x00", b"Content-Encoding: gzip", b"Date: x", b"Max-Forwards: -1",
        b"Keep-Alive: x", b"Via: \xff", b"X-Http-Method-Override: \xff",
    ]:  # fmt: skip
        yield request(b"GET /seen HTTP/1.1", line)
        yield post(b"/form", FORM, b"a=1", line)


def encodings(chance: random.Random) -> Iterator[bytes]:
    for text in [
        b"%ff", b"%c0%af", b"%e2%82", b"%ed%a0%80", b"%f4%90%80%80", b"%00", b"%0d%0aSet-Cookie:%20x=1", b"%", b"%z",
        b"%2", b"%e", b"\xc3", b"\xc3\xa9", b"%C3%A9%", b"+%2b%25", b"%u00e9", b"%EF%BF%BE", b"%80" * 300,
        b"a%2f..%2f..", b"=%ff",
    ]:  # fmt: skip
        yield request(b"GET /" + text + b" HTTP/1.1")
        yield request(b"GET /seen?" + text + b"=1 HTTP/1.1")
        yield request(b"GET /seen?a=" + text + b" HTTP/1.1")
        yield post(b"/form", FORM, b"a=" + text)
        yield post(b"/form", FORM, text + b"=1")
    for body in [b"&" * 5000, b"=" * 5000, b"a&" * 5000, b"a=" + b"%" * 50_000, b";", b"\x00", b"a" * 200_000]:
        yield post(b"/form", FORM, body)
    for charset in [b"zlib", b"utf-7", b"\xff", b"idna", b"undefined", b"utf-16", b"x" * 1000, b'"', b'"\\'[:2]]:
        yield post(b"/form", FORM + b"; charset=" + charset, b"a=%2BAGE-")
        yield post(b"/json", JSON + b"; charset=" + charset, b"{}")


def cookies(chance: random.Random) -> Iterator[bytes]:
    for value in [
        b"", b"=", b";", b"; ;", b"a", b"=a", b"a=b=c", b'a="', b'a="\\', b'a="\\400"', b'a="\\0"', b"a=\xff",
        b"\xff=a", b"a=b,c=d", b"a b=c", b"a=b\tc", b"$Version=1; a=b", b"session=", b"session=\xff",
        b"session=; session=;", b"session=" + b"a" * 43 + b"." + b"b" * 24, b"session=" + b"x" * 4000, b"session=%00",
        b'session="\\000"', b"session=!" + b"x" * 60, b"session=../../x", b"session=' or 1=1 --", b"__proto__=x",
        b"a=" * 2000, b";" * 4000, b"; ".join(b"c%d=v" % number for number in range(500)), b"session=a.b.c",
        b"session=-1", b"expires=x; path=/",
    ]:  # fmt: skip
        yield request(b"GET /seen HTTP/1.1", b"Cookie: " + value)
        yield request(b"GET /seen HTTP/1.1", b"Cookie: a=b", b"Cookie: " + value)
        yield post(b"/form", FORM, b"a=1", b"Cookie: " + value)


def multipart(chance: random.Random) -> Iterator[bytes]:
    def part(head: bytes, value: bytes = b"v") -> bytes:
        return b"--b\r\n" + head + b"\r\n\r\n" + value + b"\r\n--b--\r\n"

    named = b'Content-Disposition: form-data; name="a"'
    bodies = [
        b"", b"--b", b"--b--", b"--b\r\n", b"--b\r\n\r\n", b"--b\r\n--b\r\n--b--",
        b"--b\n" + named + b"\n\nv\n--b--\n", part(b""), part(b"\x00: a"), part(named[:-1]),
        part(named + b"; filename="), part(named + b'; filename="'), part(b"Content-Disposition: form-data"),
        part(b"Content-Disposition: attachment; name=a"), part(b"A: b\r\n" * 50 + named),
        part(named + b"\r\n" + named), part(named + b"\r\nContent-Length: 1e9"),
        part(named + b"\r\nContent-Length: -1"), part(named + b"\r\nContent-Type: text/plain; charset=zlib"),
        part(named + b"\r\nContent-Type: \x01"), part(named + b"\r\nContent-Transfer-Encoding: base64"),
        part(named + b"\r\nContent-Type: multipart/mixed; boundary=c"), part(named + b'; filename="../../x"'),
        part(named + b'; filename="a%0D%0Ab"'), part(named + b'; filename="\xff"'),
        part(named + b"; filename*=utf-8''%ff"), part(named + b'; filename="' + b"x" * 5000 + b'"'),
        part(named, b"\xff"), part(b'Content-Disposition: form-data; name="\xe9"'),
        part(b'Content-Disposition: form-data; name="' + b"n" * 4000 + b'"'), part(named, b"x" * 1_100_000),
        part(named)[:-7] * 1100 + b"--b--", b"x" * 100_000, b"\r\n" * 5000 + part(named),
        part(named) + b"junk" * 1000, part(named).replace(b"--b--", b"--bx--"), b"--b \r\n" + part(named)[5:],
    ]  # fmt: skip
    for body in bodies:
        yield post(b"/form", MULTIPART, body)
        yield post(b"/form/streamed", MULTIPART, body)
    for boundary in [
        b"",
        b'""',
        b'"',
        b"\xff",
        b"x" * 300,
        b"a b",
        b"b; boundary=c",
        b"=b",
        b"%0d%0a",
        b'"b\\"',
        b"*=b",
    ]:
        yield post(b"/form", b"multipart/form-data; boundary=" + boundary, part(named))
        yield post(b"/form/streamed", b"multipart/form-data; boundary=" + boundary, part(named))
    for kind in [
        b"multipart/form-data",
        b"multipart/mixed; boundary=b",
        b"multipart/",
        b"MULTIPART/FORM-DATA;BOUNDARY=b",
    ]:
        yield post(b"/form/streamed", kind, part(named))


def json(chance: random.Random) -> Iterator[bytes]:
    for body in [
        b"", b" ", b"{", b"}", b"[" * 100_000, b'{"a":' * 20_000, b"\xff", b"\xfe\xff\x00[\x00]", b"\xef\xbb\xbf[]",
        b"NaN", b"-Infinity", b'"\\ud800"', b'"\\u"', b'"\x00"', b'"\n"', b"1" * 5000, b"1e99999", b"-", b"01",
        b"[1,]", b"{'a': 1}", b'{"a": 1, "a": 2}', b"nul", b"true false", b"/* */ 1", b'"' + b"\\" * 9999 + b'"',
        b"[" + b"0," * 50_000 + b"0]", b'{"__proto__": {}}', b'"' + b"x" * 1_000_000, b"\x1f\x8b\x08\x00",
        b'{"\\ud800": 1}', b"[" + b"[]," * 30_000 + b"[]]",
    ]:  # fmt: skip
        yield post(b"/json", JSON, body)
        yield post(b"/json", b"application/json;", body, CHUNKED)


def chunks(chance: random.Random) -> Iterator[bytes]:
    for size in [
        b"", b"zz", b"-1", b"+1", b"0x1", b"1_0", b" 1", b"1 ", b"1\t", b"\x001", b"ffffffff", b"ffffffffffffffff",
        b"9" * 99, b"1" * 9000, b"0" * 9000 + b"1", b"1;", b"1;=", b"1; a", b'1;a="', b"1;a=\x00",
        b"1;" + b"a" * 9000, b"1\r", b"1,1", b"1.0", b"\xef\xbc\x91", b"1;a=b;" * 700, b"G", b"1 1", b"0;", b"00;a=b",
    ]:  # fmt: skip
        for tail in (b"\r\nx\r\n0\r\n\r\n", b"\nx\n0\n\n", b"\r\nx0\r\n\r\n"):
            yield post(b"/form", FORM, size + tail, CHUNKED)
        yield request(b"PUT /raw/streamed HTTP/1.1", CHUNKED, body=size + b"\r\nx\r\n0\r\n\r\n")
    for trailer in [
        b"x",
        b":",
        b"A: b\x00",
        b"A : b",
        b"Content-Length: 5",
        b"A: " + b"x" * 70_000,
        b"A: b\r\n" * 3000,
        b"\n",
    ]:
        yield post(b"/form", FORM, b"3\r\na=1\r\n0\r\n" + trailer + b"\r\n\r\n", CHUNKED)
    for coding in [
        b"chunked, chunked", b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity", b"identity, chunked", b"x",
        b"", b",", b"chunked;a=b", b'"chunked"', b"chunked\x00", b"\x0bchunked", b"chunKed", b"c hunked",
        b"\xa0chunked", b"chunked,",
    ]:  # fmt: skip
        yield post(b"/form", FORM, CHUNKS, b"Transfer-Encoding: " + coding)
    yield post(b"/form", FORM, CHUNKS, b"Transfer-Encoding : chunked")
    yield request(b"POST /form HTTP/1.0", CHUNKED, b"Content-Type: " + FORM, body=CHUNKS)


def lengths(chance: random.Random) -> Iterator[bytes]:
    for length in [
        b"", b" ", b"x", b"-1", b"+3", b"3.0", b"3e0", b"0x3", b"3,3", b"3, 4", b"3 3", b"1_0", b"\xb2", b"\xd9\xa3",
        b"3\x00", b"\x0b3", b"9" * 5, b"9" * 19, b"9" * 30, b"9" * 4000, b"0" * 4000 + b"3", b"003",
        b"18446744073709551619", b"2", b"4", b"4294967299", b"2147483648", b"-0", b"NaN", b"3;", b'"3"',
        b"3\r\nContent-Length: 3", b"3\r\nContent-Length: 4", b"3\r\nContent-Length:", b"0\r\nContent-Length: 3",
        b"50000000",
    ]:  # fmt: skip
        for path in (b"/form", b"/form/streamed", b"/nowhere"):
            yield post(path, FORM, b"a=1", b"Content-Length: " + length)
    yield request(b"POST /form HTTP/1.1", b"Content-Type: " + FORM, body=b"a=1")
    yield request(b"GET /seen HTTP/1.1", b"Content-Length: 3", body=b"a=1")


def truncated(chance: random.Random) -> Iterator[bytes]:
    for right in RIGHT:
        head = right.index(b"\r\n\r\n")
        for cut in {1, 3, 5, 14, head - 1, head, head + 1, head + 2, head + 3, len(right) - 1, len(right) - 3}:
            yield right[:cut]
    while True:
        right = chance.choice(RIGHT)
        yield right[: chance.randrange(1, len(right))]


def pipelined(chance: random.Random) -> Iterator[bytes]:
    """A head in which something is wrong, and behind it a request that may be answered if the head could be read."""
    for first in (headers, lines):
        for data in chance.sample(list(first(chance)), SIZE // 2):
            yield data + INNER


def pipelined_after_a_body(chance: random.Random) -> Iterator[bytes]:
    """A body of which it is not clear where it ends, and behind it a request."""
    for first in (lengths, chunks):
        for data in chance.sample(list(first(chance)), SIZE // 2):
            yield data + INNER


def smuggled(chance: random.Random) -> Iterator[bytes]:
    """A request within the body of another, where some servers would find it."""
    inner = INNER
    chunk = b"%x\r\n%b\r\n" % (len(inner), inner)
    both = [
        (b"Content-Length: %d" % (5 + len(inner)), CHUNKED),
        (CHUNKED, b"Content-Length: %d" % (5 + len(inner))),
        (b"Content-Length: %d" % (5 + len(inner)), b"Transfer-Encoding: xchunked", CHUNKED),
        (b"Content-Length: 0", CHUNKED),
    ]
    for pair in both:
        yield request(b"POST /form HTTP/1.1", *pair, body=b"0\r\n\r\n" + inner)
        yield request(b"POST /nowhere HTTP/1.1", *pair, body=b"0\r\n\r\n" + inner)
        yield request(b"PUT /digest HTTP/1.1", *pair, body=b"0\r\n\r\n" + inner)
    for coding in [
        b" chunked", b"\tchunked", b"\x0bchunked", b"chunked\x00", b"xchunked", b"chunked, identity", b"'chunked'",
        b"chunked ,", b"x, chunked", b"Chunked, \x80", b"\x00chunked", b"chunked\r\nTransfer-Encoding: x",
        b"x\r\nTransfer-Encoding: chunked",
    ]:  # fmt: skip
        long = b"Content-Length: %d" % (len(chunk) + 5)
        for name in (
            b"Transfer-Encoding:",
            b"Transfer-Encoding :",
            b"Transfer_Encoding:",
            b"transfer-ENCODING:",
            b" Transfer-Encoding:",
        ):
            yield request(b"PUT /digest HTTP/1.1", long, name + coding, body=chunk + b"0\r\n\r\n")
    for length in [b"Content-Length: 0", b"Content-Length:", b"Content_Length: 9", b"Content-Length : 9"]:
        yield request(b"PUT /digest HTTP/1.1", b"Content-Length: %d" % len(inner), length, body=inner)
        yield request(b"PUT /digest HTTP/1.1", length, b"Content-Length: %d" % len(inner), body=inner)
    for size in [b"0;", b"0 ", b"00", b"0x0", b"-0", b"0\x00", b" 0", b"0\n", b"0\r", b"0_0", b"0,0", b"0.0"]:
        yield request(b"PUT /digest HTTP/1.1", CHUNKED, body=size + b"\n" + inner)
        yield request(b"PUT /digest HTTP/1.1", CHUNKED, body=b"1" + size + b"\r\n" + chunk + b"0\r\n\r\n")
    # In the body of what is refused before it is read.
    for path in (b"/nowhere", b"/raw", b"/form", b"/static/x", b"/%ff"):
        for kind in (MULTIPART, JSON, b"text/plain"):
            yield post(path, kind, inner)
            yield post(path, kind, chunk + b"0\r\n\r\n", CHUNKED)
            yield post(path, kind, inner, b"Expect: 100-continue")
    for host in (b"Host: [", b"Host: a b"):
        yield request(b"PUT /digest HTTP/1.1", b"Content-Length: %d" % len(inner), host=host, body=inner)


KINDS: dict[str, Callable[[random.Random], Iterator[bytes]]] = {
    "request line": lines,
    "headers": headers,
    "encodings": encodings,
    "cookies": cookies,
    "multipart": multipart,
    "json": json,
    "chunks": chunks,
    "lengths": lengths,
    "truncation": truncated,
    "pipelining": pipelined,
    "pipelining after a body": pipelined_after_a_body,
    "smuggling": smuggled,
}


def malformed() -> list[Case]:
    """All of them, each once."""
    chance = random.Random(6)  # noqa: S311
    found: dict[bytes, Case] = {}
    for kind, made in KINDS.items():
        count = 0
        for data in made(chance):
            if data not in found:
                found[data] = Case(kind, data)
                count += 1
            if count >= SIZE and kind == "truncation":  # which never ends
                break
    for _ in range(SIZE):
        data = _mutated(chance.choice(RIGHT), chance)
        found.setdefault(data, Case("mutation", data))
    return list(found.values())


def _mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(changed))
        changed[at : at + chance.choice((0, 0, 1, 4))] = chance.choice(_TOKENS)
    return bytes(changed)
