"""Requests that nobody has thought of, within what a server hands over: odd paths, fields, headers, cookies, bodies.
And what must be true of every answer."""

from __future__ import annotations

import io
import json
import re
import string
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from hypothesis import strategies as st

HOST = "guestbook.example"
#: Goes into values; in a page, outside of text, it would be a hole.
PROBE = "<probe x=\"'>"
_ODD = [
    *(
        "",
        " ",
        "0",
        "-1",
        "1",
        "2",
        "99999999999999999999999",
        "1e9",
        "NaN",
        "null",
        "true",
        "None",
        "undefined",
        "%",
        "%00",
    ),
    *(
        "\0",
        "\x01",
        "\r\n",
        "\n\nX: y",
        "\t",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "\u202e",
        "é",
        "e\u0301",
        "ﬁ",
        "İ",
        "ß",
        "🍾",
    ),
    *(
        "../../etc/passwd",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "https://evil.example/",
        "/?next=/",
    ),
    *("' OR 1=1 --", "%' ESCAPE", "_", "\\", '"', "{{ 7*7 }}", "${7*7}", "{% raw %}", PROBE, "<!--", "]]>", "&amp;"),
    *("a" * 41, "a" * 101, "a" * 2001, "x" * 70_000, "anna", "four words in a row", "/", "/account", "yes"),
]
_NAMES = [
    "q",
    "page",
    "next",
    "csrf",
    "text",
    "alt",
    "name",
    "password",
    "everywhere",
    "picture",
    "id",
    "",
    "a[]",
    "__proto__",
]
_METHODS = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
#: What a server hands over of a header's value: bytes as Latin-1, without line ends and NUL.
_VALUE = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60)
_HEADERS: dict[str, list[str]] = {
    "ACCEPT": [
        "text/html",
        "application/json",
        "*/*",
        "application/problem+json",
        "text/html;q=0",
        "image/*;q=x",
        ";;,",
    ],
    "ACCEPT_ENCODING": ["gzip", "br, zstd;q=0.5", "*;q=0", "identity;q=0", "gzip;q=9"],
    "ACCEPT_LANGUAGE": ["en", "*", "zh-Hans, x;q=a"],
    "AUTHORIZATION": ["Basic YTpi", "Basic !", "Bearer x"],
    "COOKIE": ["session=x", "session=", "a=b; session=é", '=;;"', "session=" + "a" * 43 + "." + "b" * 24, "x" * 5000],
    "EXPECT": ["100-continue"],
    "FORWARDED": ['for="[::1]";proto=https;host=evil.example'],
    "HOST": [HOST, "evil.example", "", "[::1]:80", "a b", "é", HOST + ":99999"],
    "IF_MATCH": ["*", '"x"', "x"],
    "IF_MODIFIED_SINCE": ["Sat, 29 Oct 1994 19:43:31 GMT", "tomorrow", "Sat, 29 Oct 99999 19:43:31 GMT"],
    "IF_NONE_MATCH": ["*", 'W/"x", "y"', '"'],
    "IF_RANGE": ['"x"', "Sat, 29 Oct 1994 19:43:31 GMT"],
    "ORIGIN": ["null", f"http://{HOST}", "https://evil.example", "file://"],
    "RANGE": ["bytes=0-0", "bytes=-1", "bytes=9-1", "bytes=0-,1-,2-", "lines=1", "bytes=99999999999999999999-"],
    "REFERER": [f"http://{HOST}/", "https://evil.example/", "about:client", "http://["],
    "SEC_FETCH_MODE": ["navigate", "cors"],
    "SEC_FETCH_SITE": ["same-origin", "same-origin", "same-origin", "cross-site", "none", "x"],
    "TRACEPARENT": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x"],
    "USER_AGENT": ["Mozilla/5.0 (X11; Linux) Firefox/128.0", "", "Edg/" * 50],
    "X_CSRF_TOKEN": ["x", "é"],
    "X_FORWARDED_FOR": ["1.2.3.4", "::1, <script>", ""],
    "X_FORWARDED_HOST": ["evil.example"],
    "X_FORWARDED_PROTO": ["https", "javascript"],
    "X_HTTP_METHOD_OVERRIDE": ["DELETE"],
    "X_REQUESTED_WITH": ["XMLHttpRequest"],
    "X_REQUEST_ID": ["abc", "x" * 500, "a b"],
}
_KINDS = [
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json", "text/plain", ""),
    *("multipart/form-data", 'multipart/form-data; boundary="', "multipart/form-data; boundary=b; charset=zlib", ";"),
    *(
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/json; charset=x",
        "multipart/mixed; boundary=b",
        "é/é",
    ),
]
_text = st.one_of(st.sampled_from(_ODD), st.sampled_from(_ODD), st.text(max_size=50))
#: What somebody would type who means well.
_MEANT = {
    "name": ["anna", "eve", "ANNA "],
    "password": ["four words in a row", "another one"],
    "text": ["hello", "a line\r\nand another", PROBE],
    "alt": ["a bottle", PROBE],
    "next": ["/", "/account", "/?q=hello&page=2"],
    "page": ["1", "2"],
    "q": ["hello", "%", PROBE],
    "everywhere": ["yes"],
}
_field = st.one_of(
    st.sampled_from(sorted(_MEANT)).flatmap(
        lambda name: st.tuples(st.just(name), st.one_of(st.sampled_from(_MEANT[name]), _text))
    ),
    st.tuples(st.one_of(st.sampled_from(_NAMES), _text), _text),
)
_fields = st.lists(_field, max_size=6)
_form = st.tuples(
    st.sampled_from([[("text", "hello")], [("name", "anna")], [("name", "zoë"), ("next", "//evil.example")], []]),
    st.sampled_from([[("password", "four words in a row")], []]),
    _fields,
).map(lambda parts: [field for part in parts for field in part])


class Request(NamedTuple):
    method: str
    #: As it stands in the request line, decoded as Latin-1; the query is not decoded.
    path: str
    query: str
    headers: dict[str, str]
    #: What the body is said to be, and is.
    content: tuple[str, bytes]
    #: What Content-Length says, if that is not the truth.
    length: str | None
    chunked: bool
    #: Which of the visitors sends it; 0: somebody without a cookie.
    visitor: int


def requests(routes: list[tuple[str, str]]) -> st.SearchStrategy[Request]:
    """Requests to a site with these routes, each a method and a rule."""
    anywhere = st.tuples(st.sampled_from(_METHODS), _anywhere)
    return st.one_of(_places(routes), _places(routes), anywhere).flatmap(_request)


def forms() -> st.SearchStrategy[Request]:
    """The guestbook's own forms, filled in oddly."""
    return st.sampled_from(_FORMS).flatmap(_filled_in)


#: What a visitor who means well sends, of which one or two fields are then something else.
_FORMS: list[tuple[str, str, dict[str, str]]] = [
    ("POST", "/", {"text": "hello", "alt": "a bottle"}),
    ("POST", "/sign-in", {"name": "anna", "password": "four words in a row", "next": "/"}),
    ("POST", "/sign-up", {"name": "zoë", "password": "four words in a row", "next": "/"}),
    ("POST", "/sign-out", {"everywhere": "yes"}),
    ("GET", "/", {"q": "hello", "page": "1"}),
    ("GET", "/sign-in", {"next": "/account"}),
]


def _filled_in(form: tuple[str, str, dict[str, str]]) -> st.SearchStrategy[Request]:
    method, path, fields = form

    def build(odd: dict[str, str], visitor: int) -> Request:
        sent = _encoded(list({**fields, **odd}.items()))
        query, body = ("", sent.encode()) if method == "POST" else (sent, b"")
        return Request(method, path, query, {}, (_KINDS[0], body), None, False, visitor)

    worst = st.sampled_from([PROBE, "//evil.example", "/\\evil.example"])
    odd = st.dictionaries(st.sampled_from(sorted(fields)), st.one_of(_text, _text, worst), min_size=1, max_size=2)
    return st.builds(build, odd, st.sampled_from((0, 1, 2)))


def _request(place: tuple[str, str]) -> st.SearchStrategy[Request]:
    return st.builds(
        Request,
        st.just(place[0]),
        st.just(place[1]),
        st.one_of(_fields.map(_encoded), st.just(""), st.text(string.printable[:94], max_size=40)),
        st.dictionaries(st.sampled_from(sorted(_HEADERS)), st.none(), max_size=5).flatmap(_filled),
        _content,
        st.sampled_from([None] * 12 + ["0", "1", "100000", "-1", "x", "", "99999999999999999999", "1, 1", "\xb2"]),
        st.sampled_from([False] * 9 + [True]),
        st.sampled_from((0, 1, 1, 2)),
    )


_segment = st.one_of(st.sampled_from(["1", "2", "3", "4"]), _text).map(
    lambda text: text.encode("utf8", "surrogatepass").decode("latin1")
)
_anywhere = st.one_of(st.text(st.characters(max_codepoint=255), max_size=40), _segment).map(lambda text: "/" + text)


def _places(routes: list[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    """A route, with something in the place of its wildcard."""
    return st.tuples(st.sampled_from(routes), _segment).map(
        lambda both: (both[0][0], re.sub("<[^>]*>", lambda _: both[1], both[0][1]))
    )


def _filled(names: dict[str, None]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({name: st.one_of(st.sampled_from(_HEADERS[name]), _VALUE) for name in names})


def _encoded(fields: list[tuple[str, str]]) -> str:
    return urlencode(fields, errors="surrogatepass")


def _part(part: tuple[tuple[str, str], str | None, str | None]) -> bytes:
    (name, value), filename, kind = part
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
    head += "" if kind is None else f"Content-Type: {kind}\r\n"
    return f"{head}\r\n{value}\r\n".encode("utf8", "surrogatepass")


_GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_PICTURE = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.gif"\r\n\r\n%b\r\n'
_picture = st.binary(max_size=40).map(lambda noise: _PICTURE % (_GIF[: len(_GIF) - len(noise)] + noise))
_multipart = st.builds(
    lambda parts, picture, end: b"".join(map(_part, parts)) + picture + end,
    st.lists(
        st.tuples(
            _field, st.one_of(st.none(), st.none(), _text), st.sampled_from([None, "image/png", "text/html", ""])
        ),
        max_size=4,
    ),
    st.one_of(st.just(b""), _picture),
    st.sampled_from([b"--b--\r\n", b"--b--\r\n", b"--b--\r\n", b"", b"--b", b"--b--junk"]),
)
_pictured = _picture.map(lambda picture: _part((("text", "with a picture"), None, None)) + picture + b"--b--\r\n")
_urlencoded = _form.map(lambda fields: _encoded(fields).encode())
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_text, inner, max_size=3)),
    max_leaves=5,
).map(lambda value: json.dumps(value).encode())
_content = st.one_of(
    st.tuples(st.just(_KINDS[0]), _urlencoded),
    st.tuples(st.just(_KINDS[0]), _urlencoded),
    st.tuples(st.just(_KINDS[1]), st.one_of(_multipart, _multipart, _pictured)),
    st.tuples(st.sampled_from(_KINDS), st.one_of(_urlencoded, _multipart, _json, st.binary(max_size=200))),
)


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def send(app: Callable[..., Any], request: Request, cookie: str) -> Answer:
    """The answer to a request as a server hands it over. wsgiref's validator looks on."""
    kind, body = request.content
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": "203.0.113.7",
        "CONTENT_TYPE": kind,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "HTTP_HOST": HOST,
        "HTTP_SEC_FETCH_SITE": "same-origin",
    }
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    environ.update({f"HTTP_{name}": value for name, value in request.headers.items()})
    if request.chunked:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        if request.length is None:
            environ["wsgi.input_terminated"] = True
    else:
        environ["CONTENT_LENGTH"] = str(len(body)) if request.length is None else request.length
    length = environ.get("CONTENT_LENGTH", "0")
    judged = length.isascii() and length.isdigit()  # some servers hand over others, and the validator takes none
    setup_testing_defaults(environ)
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [(status, headers)]
        return lambda data: None

    out = (validator(app) if judged else app)(environ, start_response)
    try:
        pieces = b"".join(out)
    finally:
        if hasattr(out, "close"):
            out.close()
    (status, headers) = started[0]
    return Answer(int(status[:3]), headers, pieces)


def judge(request: Request, answer: Answer) -> None:
    """Raise AssertionError if an answer is not as each must be."""
    assert answer.status < 500, answer
    assert b"Traceback" not in answer.body
    named: dict[str, str] = {}
    for name, value in answer.headers:
        assert re.fullmatch("[A-Za-z0-9-]+", name), name
        assert not re.search("[\0-\x08\x0a-\x1f\x7f]", value), (name, value)
        value.encode("latin1")
        assert name.lower() not in named or name in ("Set-Cookie", "Vary"), name
        named[name.lower()] = value
    if "content-length" in named and request.method != "HEAD" and answer.status not in (204, 304):
        assert int(named["content-length"]) == len(answer.body)
    if request.method == "HEAD":
        assert answer.body == b""
    kind = named.get("content-type", "")
    if answer.body and kind.startswith("text/html"):
        assert kind.lower() == "text/html; charset=utf-8"
        page = answer.body.decode()
        assert "<probe" not in page
    elif answer.body and "json" in kind:
        json.loads(answer.body)
    if "location" in named:
        place = urlsplit(named["location"])
        sent = request.headers.get("HOST", HOST)
        assert place.netloc in ("", sent), named["location"]
        assert place.scheme in ("", "http"), named["location"]
        assert not place.path.startswith(("//", "/\\"))
    if "set-cookie" in named:
        assert "HttpOnly" in named["set-cookie"]
        assert "SameSite=Lax" in named["set-cookie"]
