"""What must hold for every input: what is sent comes out as it was, however it arrives; and of what makes no sense
nothing comes out but an HTTPError with a sentence."""

from __future__ import annotations

import io
import json
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import bottle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from demijohn.bodies import KEY, Bodies, Request, content
from demijohn.bodies.limits import Limits
from demijohn.bodies.parts import file_name, parts

EXAMPLES = settings(max_examples=60)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# What a browser can write into quotes: it says %22, %0D and %0A for what would end them.
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='%\\"'), max_size=20)
LIMITS = Limits(10**6, None, None, 10**6, 1000, 30, 1000)
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


class Pieces(io.BytesIO):
    """A stream that hands out as many bytes at a time as it is told, over and over."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__(data)
        self._sizes, self._turn = sizes, 0

    def read(self, size: int | None = -1) -> bytes:
        self._turn += 1
        most = self._sizes[self._turn % len(self._sizes)]
        return super().read(most if size is None or size < 0 else min(size, most))


SIZES = st.lists(st.integers(1, 70), min_size=1, max_size=5)


def sent(body: bytes, kind: str, sizes: list[int], **environ: Any) -> Request:
    whole = {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": Pieces(body, sizes), **environ}
    return Request({KEY: Bodies(10**6), **whole})


@EXAMPLES
@given(st.lists(st.tuples(TEXT, TEXT)), SIZES)
def test_a_plain_form_comes_out_as_it_was(fields: list[tuple[str, str]], sizes: list[int]) -> None:
    form = sent(urlencode(fields).encode(), FORM, sizes).forms.decode()
    assert sorted(form.allitems()) == sorted(fields)


@EXAMPLES
@given(st.lists(st.tuples(TEXT, TEXT)))
def test_a_query_comes_out_as_it_was(fields: list[tuple[str, str]]) -> None:
    query = Request({KEY: Bodies(), "QUERY_STRING": urlencode(fields)}).query.decode()
    assert sorted(query.allitems()) == sorted(fields)


def multipart(found: list[tuple[str, str | None, bytes]]) -> bytes:
    body = b""
    for name, filename, value in found:
        more = "" if filename is None else f'; filename="{filename}"'
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"
    return body + b"--b--\r\n"


VALUE = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--", b"\r\n--c", b"x"])).map(b"".join),
).filter(lambda value: b"\r\n--b" not in b"\r\n" + value + b"\r\n")
FILE = st.tuples(NAME, NAME.filter(lambda name: bool(name) and file_name(name) == name), VALUE)
FIELD = st.tuples(NAME, st.none(), TEXT.map(str.encode).filter(lambda value: b"--b" not in value))


@EXAMPLES
@given(st.lists(st.one_of(FIELD, FILE), min_size=1, max_size=6), SIZES)
def test_a_form_of_parts_comes_out_as_it_was(found: list[tuple[str, str | None, bytes]], sizes: list[int]) -> None:
    streamed = sent(multipart(found), MULTIPART, sizes)
    assert [(part.name, part.filename, b"".join(part)) for part in streamed.parts()] == found
    kept = sent(multipart(found), MULTIPART, sizes)
    fields = [(name, value.decode()) for name, filename, value in found if filename is None]
    files = [(name, value) for name, filename, value in found if filename is not None]
    assert sorted(kept.forms.allitems()) == sorted(fields)
    assert sorted((name, file.file.read()) for name, file in kept.files.allitems()) == sorted(files)


@EXAMPLES
@given(st.lists(st.one_of(FIELD, FILE), min_size=1, max_size=4), st.data())
def test_no_beginning_of_a_form_is_a_form(found: list[tuple[str, str | None, bytes]], data: st.DataObject) -> None:
    whole = multipart(found)
    beginning = whole[: data.draw(st.integers(0, len(whole) - 3))]
    with pytest.raises(bottle.HTTPError):
        _ = sent(beginning, MULTIPART, [64]).POST
    with pytest.raises(bottle.HTTPError):
        [part.size for part in sent(beginning, MULTIPART, [64]).parts()]


DOCUMENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@EXAMPLES
@given(DOCUMENT, st.booleans(), SIZES)
def test_json_comes_out_as_it_was(document: Any, escaped: bool, sizes: list[int]) -> None:
    body = json.dumps(document, ensure_ascii=escaped).encode()
    assert sent(body, "application/json", sizes).json == document


@EXAMPLES
@given(
    st.dictionaries(st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True), st.text(st.characters(max_codepoint=255)))
)
def test_cookies_come_back_as_they_were_set(values: dict[str, str]) -> None:
    jar: SimpleCookie = SimpleCookie()
    for name, value in values.items():
        if name.lower() not in ("expires", "path", "comment", "domain", "version", "secure", "httponly", "samesite"):
            jar[name] = value
    header = "; ".join(morsel.OutputString() for morsel in jar.values())
    assert dict(content.cookies(header)) == {name: morsel.value for name, morsel in jar.items()}


@EXAMPLES
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), SIZES, st.sampled_from([b"", b";a=b", b';a="\\""']))
def test_chunks_come_out_joined(pieces: list[bytes], sizes: list[int], extension: bytes) -> None:
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\nA: b\r\n\r\n"
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "SERVER_SOFTWARE": "WSGIServer/0.2"}
    request = sent(framed, "", sizes, **{**environ, "CONTENT_LENGTH": ""})
    assert b"".join(request.stream()) == b"".join(pieces)


# Whatever comes


def refused_or_read(read: Any) -> None:
    try:
        read()
        return
    except bottle.HTTPError as error:
        refusal = error
    assert refusal.status_code in (400, 413, 415)
    assert refusal.body.endswith((".", ".)"))


KINDS = st.one_of(
    st.sampled_from([FORM, MULTIPART, "application/json", "", ";", "multipart/form-data"]),
    st.text(st.characters(max_codepoint=255), max_size=30).map(MULTIPART.__add__),
)
WORDS = rb"""--b -- Content-Disposition: form-data; name="a" ; filename=x : = & [ " \ud800 %0D%0A Content-Length: 3
    Content-Type: a/b; charset=x""".split()
LIKE_A_FORM = st.lists(st.sampled_from([*WORDS, b"\r\n", b"\r\n", b"\xff", b"\0", b" ", b"x" * 500]), max_size=25).map(
    b"".join
)


@EXAMPLES
@given(KINDS, st.one_of(st.binary(max_size=200), LIKE_A_FORM), SIZES, st.booleans())
@example("application/json", b"[" * 5000, [64], False)
@example(
    MULTIPART, b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: 1e9\r\n\r\n\r\n--b--', [64], False
)
def test_of_any_body_comes_content_or_a_refusal(kind: str, body: bytes, sizes: list[int], chunked: bool) -> None:
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "SERVER_SOFTWARE": "WSGIServer/0.2", "CONTENT_LENGTH": ""}
    more = environ if chunked else {}
    for name in ("forms", "files", "json", "params", "body"):
        refused_or_read(lambda name=name: getattr(sent(body, kind, sizes, **more), name))
    refused_or_read(lambda: [part.text() for part in sent(body, kind, sizes, **more).parts()])
    refused_or_read(lambda: list(sent(body, kind, sizes, **more).stream()))
    refused_or_read(lambda: sent(body, kind, sizes, **more).leading_field("a"))


ANY = st.text(st.characters(max_codepoint=255), max_size=60)


@EXAMPLES
@given(ANY, ANY, ANY)
def test_of_any_head_comes_content_or_a_refusal(query: str, cookie: str, length: str) -> None:
    environ = {KEY: Bodies(), "QUERY_STRING": query, "HTTP_COOKIE": cookie, "CONTENT_LENGTH": length}
    for read in (
        lambda request: request.query.decode(),
        lambda request: [request.query.getunicode(name) for name in request.query],
        lambda request: [request.get_cookie(name, secret="x") for name in request.cookies],
        lambda request: request.content_length,
        lambda request: request.body,
    ):
        refused_or_read(lambda read=read: read(Request({**environ, "wsgi.input": io.BytesIO()})))


@EXAMPLES
@given(st.text(max_size=300))
def test_the_name_of_a_file_is_always_one_to_show(given: str) -> None:
    name = file_name(given)
    assert 0 < len(name) <= 255
    assert not set(name) & {*map(chr, range(32)), "\x7f", "/", "\\", "\u202e", "\u2028"}
    assert name not in (".", "..")
    assert file_name(name) == name


@EXAMPLES
@given(st.lists(FIELD, min_size=1, max_size=5), st.integers(1, 4))
def test_the_number_of_parts_is_kept_to_exactly(found: list[tuple[str, str | None, bytes]], most: int) -> None:
    taken = parts((multipart(found),), MULTIPART, LIMITS._replace(parts=most))
    if len(found) <= most:
        assert len(list(taken)) == len(found)
        return
    with pytest.raises(bottle.HTTPError, match=r"body\.parts"):
        list(taken)
