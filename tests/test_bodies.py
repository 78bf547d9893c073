"""What a request sends, in one process. What the servers make of it on its way is in test_bodies_servers.py."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable
from typing import Any

import bottle
import pytest
from bottle import request

from demijohn.bodies import KEY, Bodies, Request
from demijohn.bodies.wire import DROPPED
from demijohn.errors import BodyLimitError
from tests.apps.bodies import LIMIT, app
from tests.client import Client

MULTIPART = "multipart/form-data; boundary=b"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="na\xc3\xafve"\r\n\r\nva\xc3\xa9\r\n'
    b'--b\r\nContent-Disposition: form-data; name="photo"; filename="..\\\xc3\x89t\xc3\xa9 1.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n\xff\x00\r\n--b--\r\n"
)


@pytest.fixture
def client() -> Client:
    return Client(app)


@pytest.fixture
def no_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    for name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile", "mkstemp", "gettempdir"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr(bottle, "NamedTemporaryFile", refuse)


def part(headers: bytes, value: bytes = b"v") -> bytes:
    return b"--b\r\n" + headers + b"\r\n\r\n" + value + b"\r\n--b--\r\n"


def field(name: bytes = b'"a"', value: bytes = b"v", more: bytes = b"") -> bytes:
    return part(b"Content-Disposition: form-data; name=" + name + more, value)


def made(environ: dict[str, Any], **rules: int) -> Request:
    return Request({KEY: Bodies(**rules), **environ})


# Within the limit


@pytest.mark.usefixtures("no_temporary_files")
def test_a_megabyte_needs_no_disk(client: Client) -> None:
    body = bytes(1_000_000)
    assert client.ask("POST", "/echo/large", body).body == body


@pytest.mark.usefixtures("no_temporary_files")
def test_an_upload_of_a_megabyte_needs_no_disk() -> None:
    upload = field(b'"f"; filename="f.bin"', bytes(1_000_000))
    sent = made({"CONTENT_TYPE": MULTIPART, "CONTENT_LENGTH": str(len(upload)), "wsgi.input": io.BytesIO(upload)})
    assert sent.files["f"].file.read() == bytes(1_000_000)


@pytest.mark.usefixtures("no_temporary_files")
def test_a_copied_request_needs_no_disk_either() -> None:
    body = bytes(1_000_000)
    sent = made({"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}).copy()
    assert sent.body.read() == body


@pytest.mark.parametrize(
    ("length", "expects", "read"),
    [(LIMIT + 1, {}, LIMIT + 1), (LIMIT + 1, {"HTTP_EXPECT": "100-continue"}, 0), (DROPPED + 1, {}, 0)],
)
def test_over_the_limit_what_is_read_is_dropped(
    client: Client, length: int, expects: dict[str, str], read: int
) -> None:
    source = io.BytesIO(bytes(LIMIT + 1))
    environ: dict[str, Any] = {"CONTENT_LENGTH": str(length), "wsgi.input": source, **expects}
    answer = client.ask("POST", "/echo", **environ)
    assert answer.status == 413
    said = "That is too large: 100,000 bytes can be sent here at most."
    assert answer.text == f"{said} (The setting is body.limit, a route's option body_limit.)"
    assert source.tell() == read


def test_a_length_of_thousands_of_digits_is_too_large() -> None:
    sent = made({"CONTENT_LENGTH": "9" * 5000, "wsgi.input": io.BytesIO()})
    with pytest.raises(bottle.HTTPError, match="too large"):
        _ = sent.body


def test_leading_zeros_do_not_make_a_length_large() -> None:
    assert made({"CONTENT_LENGTH": "0" * 30 + "5", "wsgi.input": io.BytesIO(b"hello")}).body.read() == b"hello"


def test_a_route_has_a_limit_of_its_own(client: Client) -> None:
    assert client.ask("POST", "/echo/large", bytes(10 * LIMIT)).status == 200
    answer = client.ask("POST", "/echo/large", bytes(10 * LIMIT + 1))
    assert (answer.status, "1,000,000 bytes" in answer.text) == (413, True)


@pytest.mark.parametrize("limit", ["1 MB", -1, None])
def test_a_limit_of_a_route_that_is_no_number_is_named(limit: object) -> None:
    plain = bottle.Bottle()
    plain.install(Bodies())
    plain.post("/upload", callback=lambda: "", body_limit=limit)
    with pytest.raises(BodyLimitError, match=r"The route /upload has body_limit=.* number of bytes"):
        plain.routes[0].prepare()


def test_a_body_that_nobody_reads_is_not_judged(client: Client) -> None:
    assert client.ask("POST", "/untouched", CONTENT_LENGTH=str(10**9)).text == "never read"


def test_who_swallows_the_refusal_gets_no_rest_of_the_body() -> None:
    sent = made({"CONTENT_LENGTH": "20", "wsgi.input": io.BytesIO(b"hello")})
    for _ in range(2):
        with pytest.raises(bottle.HTTPError, match="15 of 20 bytes are missing"):
            sent.body.read()
    sent["wsgi.input"] = io.BytesIO(b"x" * 20)
    assert sent.body.read() == b"x" * 20


# Which requests it is for


def echo() -> bytes:
    body: bytes = request.body.read()
    return body


def test_an_app_without_it_has_bottles_own_request() -> None:
    plain = bottle.Bottle()
    plain.post("/", callback=echo)
    plain.post("/json", callback=lambda: str(request.json))
    client = Client(plain)
    assert client.ask("POST", "/", b"short", CONTENT_LENGTH="9").text == "short"  # Bottle does not mind
    assert "Invalid JSON" in client.ask("POST", "/json", b"{", CONTENT_TYPE="application/json").text


@pytest.mark.parametrize("how", ["mount", "merge", "mount as wsgi"])
def test_an_app_brings_it_along_into_another(how: str) -> None:
    inner, outer = bottle.Bottle(), bottle.Bottle()
    inner.install(Bodies(limit=3))
    inner.post("/x", callback=echo)
    outer.post("/own", callback=echo)
    if how == "merge":
        outer.merge(inner)
    else:
        outer.mount("/in/", inner if how == "mount" else inner.wsgi)
    client = Client(outer)
    assert client.ask("POST", "/x" if how == "merge" else "/in/x", b"four").status == 413
    assert client.ask("POST", "/own", b"four").status == 200


@pytest.mark.parametrize("how", ["mount", "merge", "mount as wsgi"])
def test_an_app_holds_those_in_it_to_its_limit(how: str) -> None:
    inner, outer = bottle.Bottle(), bottle.Bottle()
    outer.install(Bodies(limit=3))
    inner.post("/x", callback=echo)
    if how == "merge":
        outer.merge(inner)
    else:
        outer.mount("/in/", inner if how == "mount" else inner.wsgi)
    assert Client(outer).ask("POST", "/x" if how == "merge" else "/in/x", b"four").status == 413


def test_uninstalled_it_is_gone() -> None:
    plain = bottle.Bottle()
    plain.install(Bodies(limit=3))
    plain.post("/", callback=echo)
    plain.uninstall("bodies")
    assert Client(plain).ask("POST", "/", b"four").text == "four"


# Forms


def test_the_two_kinds_of_form_say_the_same(client: Client) -> None:
    assert client.post("/form", {"naïve": "vaé", "": "x"}).json["forms"] == [["naïve", "vaé"], ["", "x"]]
    answer = client.ask("POST", "/form", FORM, CONTENT_TYPE=MULTIPART).json
    assert answer == {"forms": [["naïve", "vaé"]], "files": [["photo", "Ete-1.txt", 2]]}


def test_a_field_of_a_multipart_form_is_text_among_the_params() -> None:
    environ = {"QUERY_STRING": "q=%C3%A9", "CONTENT_TYPE": MULTIPART, "CONTENT_LENGTH": str(len(FORM))}
    params = made({**environ, "wsgi.input": io.BytesIO(FORM)}).params
    assert (params.q, params["naïve"], params.getunicode("naïve")) == ("é", "vaé", "vaé")


def test_what_is_no_form_has_no_fields(client: Client) -> None:
    answer = client.ask("POST", "/form", b"\xff=1&x", CONTENT_TYPE="image/png")
    assert answer.json == {"forms": [], "files": []}


def test_old_java_clients_send_latin1_and_say_so(client: Client) -> None:
    body = field(value=b"\xe9", more=b"\r\nContent-Type: text/plain; charset=ISO-8859-1")
    assert client.ask("POST", "/form", body, CONTENT_TYPE=MULTIPART).json["forms"] == [["a", "é"]]


URLENCODED = "application/x-www-form-urlencoded"
BAD_FORMS = {
    "not UTF-8": (URLENCODED, b"a=%FF", 400, "not UTF-8"),
    "not UTF-8, raw": (URLENCODED, b"\xff=1", 400, "not UTF-8"),
    "too many fields": (URLENCODED, b"a&" * 20 + b"a", 413, "too many fields: 20"),
    "too many parts": (MULTIPART, field()[:-7] * 21 + b"--b--", 413, "too many fields: 20 can"),
    "no boundary": ("multipart/form-data", field(), 400, "Empty boundary"),
    "another boundary": ("multipart/form-data; boundary=c", field(), 400, "cut off or damaged"),
    "nothing": (MULTIPART, b"", 400, "cut off"),
    "cut off": (MULTIPART, FORM[:-10], 400, "cut off"),
    "no disposition": (MULTIPART, part(b"X-A: b"), 400, "Missing Content-Disposition"),
    "another disposition": (MULTIPART, part(b"Content-Disposition: attachment; name=a"), 400, "Wrong type"),
    "no header": (MULTIPART, part(b"nonsense"), 400, "Malformed segment header"),
    "long header": (MULTIPART, field(more=b"; x=" + b"x" * 5000), 413, "header length"),
    "many headers": (MULTIPART, field(more=b"\r\nX-A: b" * 9), 413, "header count"),
    "wrong length": (MULTIPART, field(more=b"\r\nContent-Length: 1e9"), 400, "Content-Length"),
    "latin1 name": (MULTIPART, field(b'"\xe9"'), 400, "failed to decode"),
    "control character": (MULTIPART, field(b'"a"; filename="a\x00b"'), 400, "Content-Disposition of a part holds"),
    "bare CR": (MULTIPART, field(more=b"\r\nX-A: a\rb"), 400, "X-A of a part holds control characters"),
    "text not UTF-8": (MULTIPART, field(value=b"\xff"), 400, "not UTF-8"),
    "a codec that is no charset": (MULTIPART, field(more=b"\r\nContent-Type: a/b; charset=zlib"), 400, "Send UTF-8"),
    "base64": (MULTIPART, field(more=b"\r\nContent-Transfer-Encoding: base64"), 400, "RFC 7578"),
}


@pytest.mark.parametrize("case", BAD_FORMS)
def test_a_bad_form_is_refused_with_a_sentence(client: Client, case: str) -> None:
    content_type, body, status, words = BAD_FORMS[case]
    answer = client.ask("POST", "/form", body, CONTENT_TYPE=content_type)
    assert (answer.status, answer.errors) == (status, "")
    assert words in answer.text


@pytest.mark.parametrize("content_type", [";", "", "; charset=zlib", URLENCODED + "; charset=nonsense", ";;=,"])
def test_a_content_type_of_garbage_is_passed_over(client: Client, content_type: str) -> None:
    assert client.ask("POST", "/form", b"a=1", CONTENT_TYPE=content_type).json["forms"] == [["a", "1"]]


# JSON


@pytest.mark.parametrize("content_type", ["application/json", "application/json ; charset=nonsense"])
def test_json_is_read(client: Client, content_type: str) -> None:
    document = {"é": [1, 2.5, None, "\U0001f600"]}
    for body in (json.dumps(document).encode(), json.dumps(document, ensure_ascii=False).encode("utf-8-sig")):
        assert client.ask("POST", "/json", body, CONTENT_TYPE=content_type).json == {"json": document}


def test_no_json_is_none(client: Client) -> None:
    assert client.ask("POST", "/json", b"", CONTENT_TYPE="application/json").json == {"json": None}
    assert client.ask("POST", "/json", b"{}", CONTENT_TYPE="text/plain").json == {"json": None}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid: Expecting property name"),
        (b'{"a": 1} x', "not valid: Extra data"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b"[NaN]", "NaN is not a number in JSON"),
        (b"-Infinity", "-Infinity is not a number in JSON"),
        (b"[-1e400]", "one of its numbers is too large"),
        (b'"\\uD800"', "half of a character"),
        (b"1" * 5000, "not valid: Exceeds the limit"),
    ],
)
def test_bad_json_is_refused_with_a_sentence(client: Client, body: bytes, words: str) -> None:
    answer = client.ask("POST", "/json", body, CONTENT_TYPE="application/json")
    assert (answer.status, answer.errors) == (400, "")
    assert words in answer.text


# Whatever comes in


SEEDS = [
    (MULTIPART, FORM),
    ("application/json", b'{"a": [1, 2.5e3, null, "\\ud83d\\ude00 \xc3\xa9", {"b": true}]}'),
    (URLENCODED, b"a=1&b=%C3%A9&c=+%20&d"),
    ("", b"5;x=y\r\nhello\r\n0\r\nX-A: b\r\n\r\n"),
]
TOKENS = [
    b"\r\n",
    b"--b",
    b"--",
    b";",
    b"=",
    b'"',
    b"\\",
    b"%",
    b"%FF",
    b"\xff",
    b"\0",
    b"&",
    b"[",
    b"{",
    b"NaN",
    b"\\ud800",
]
TOKENS += [
    b"charset=zlib",
    b"Content-Length: -1",
    b"filename*=utf-8''x",
    b"boundary=",
    b"9" * 5000,
    b"ffff\r\n",
    b"0\r\n",
]
READERS: list[Callable[[Request], Any]] = [
    lambda sent: sent.query.decode(),
    lambda sent: sent.cookies.get("a"),
    lambda sent: sent.params.decode(),
    lambda sent: sent.forms.decode(),
    lambda sent: [(file.filename, file.content_type, file.content_length) for file in sent.files.values()],
    lambda sent: json.dumps(sent.json, ensure_ascii=False).encode(),
    lambda sent: sent.body.read(),
]


@pytest.mark.parametrize("seed", range(4))
def test_only_an_http_error_comes_out(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    refusals: list[bottle.HTTPError] = []

    def mutated(data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
            at = chance.randrange(len(changed) + 1)
            changed[at : at + chance.choice((0, 0, 1, 5))] = chance.choice([*TOKENS, b"", chance.randbytes(1)])
        return bytes(changed)

    for _ in range(1000):
        content_type, body = chance.choice(SEEDS)
        body = mutated(body)
        environ = {
            "CONTENT_TYPE": mutated(content_type.encode()).decode("latin1"),
            "QUERY_STRING": mutated(b"a=1&b=%C3%A9").decode("latin1"),
            "HTTP_COOKIE": mutated(b'a="x\\054y"; b=2').decode("latin1"),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        if chance.random() < 0.3:
            environ.update(CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked", SERVER_SOFTWARE="WSGIServer/0.2")
        sent = made(environ, limit=10_000, parts=50)
        for read in READERS:
            try:
                read(sent)
            except bottle.HTTPError as error:
                refusals.append(error)
    assert {error.status_code for error in refusals} <= {400, 413}
    assert {error.body[-1] for error in refusals} <= set(".)")
    assert 1000 < len(refusals) < 1000 * len(READERS) / 2
