"""Where Bottle's own request lets what a visitor sent become a 500. Each case is shown to break Bottle, so that one
that Bottle has mended can go; and then that `Bodies` makes a 400 of it, or reads it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import bottle
import pytest

from demijohn.bodies import KEY, Bodies, Request

MULTIPART = "multipart/form-data; boundary=b"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def field(head: bytes, value: bytes = b"v") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; name=" + head + b"\r\n\r\n" + value + b"\r\n--b--\r\n"


class Leak(NamedTuple):
    read: Callable[[Any], Any]
    kind: str = ""
    body: bytes = b""
    environ: dict[str, str] = {}  # noqa: RUF012
    #: What `Bodies` makes of it; None: a 400.
    found: Any = None


def post(sent: Any) -> Any:
    return {name: sent.POST[name] for name in sent.POST}


LEAKS = {
    "a Content-Type of nothing": Leak(post, ";", b"a=1", found={"a": "1"}),
    "a codec that is no charset": Leak(post, MULTIPART + "; charset=zlib", field(b'"a"'), found={"a": "v"}),
    "a charset that is none": Leak(post, MULTIPART + "; charset=nonsense", field(b'"a"'), found={"a": "v"}),
    "a charset with a null": Leak(post, MULTIPART + '; charset="a\0b"', field(b'"a"'), found={"a": "v"}),
    "a charset of a part": Leak(post, MULTIPART, field(b'"a"\r\nContent-Type: text/plain; charset=zlib')),
    "a name that is not UTF-8": Leak(post, MULTIPART, field(b'"\xff"')),
    "a value that is not UTF-8": Leak(post, MULTIPART, field(b'"a"', b"\xff")),
    "a length of a part that is no number": Leak(
        lambda sent: sent.files["a"].content_length, MULTIPART, field(b'"a"; filename="f"\r\nContent-Length: 1e9')
    ),
    "a control character in a part's header": Leak(post, MULTIPART, field(b'"a"; filename="f\0"')),
    "JSON nested a thousand deep": Leak(lambda sent: sent.json, JSON, b"[" * 5000),
    "JSON of half a character, sent on": Leak(lambda sent: sent.json.encode(), JSON, b'"\\ud800"'),
    "a form that is not UTF-8, decoded": Leak(lambda sent: sent.forms.decode(), FORM, b"a=%ff"),
    "a query that is not UTF-8, decoded": Leak(lambda sent: sent.query.decode(), environ={"QUERY_STRING": "a=%ff"}),
    "a Content-Length that is a word": Leak(lambda sent: sent.body.read(), environ={"CONTENT_LENGTH": "five"}),
    "a cookie with a bad name": Leak(
        lambda sent: dict(sent.cookies), environ={"HTTP_COOKIE": "a(=1; b=2"}, found={"a(": "1", "b": "2"}
    ),
}


def environ(leak: Leak) -> dict[str, Any]:
    whole = {"CONTENT_TYPE": leak.kind, "CONTENT_LENGTH": str(len(leak.body)), "wsgi.input": io.BytesIO(leak.body)}
    return {**whole, **leak.environ}


@pytest.mark.parametrize("case", LEAKS)
def test_bottle_alone_answers_500(case: str) -> None:
    with pytest.raises(Exception) as broken:  # noqa: PT011 - any of a dozen
        LEAKS[case].read(bottle.BaseRequest(environ(LEAKS[case])))
    assert not isinstance(broken.value, bottle.HTTPResponse)


@pytest.mark.parametrize("case", LEAKS)
def test_bodies_do_not(case: str) -> None:
    leak = LEAKS[case]
    request = Request({KEY: Bodies(), **environ(leak)})
    if leak.found is not None:
        assert leak.read(request) == leak.found
        return
    with pytest.raises(bottle.HTTPError) as refused:
        leak.read(request)
    assert refused.value.status_code == 400
    assert refused.value.body.endswith(".")
