"""`request.parts()` and `request.stream()`, in one process."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from typing import Any

import bottle
import pytest
from bottle import request

from demijohn.bodies import KEY, Bodies, Request
from demijohn.bodies.errors import BodyStreamedError, PartGoneError
from demijohn.bodies.parts import Part, file_name
from demijohn.errors import BodyLimitError
from tests.client import Client

MULTIPART = "multipart/form-data; boundary=b"
TITLE = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nva\xc3\xa9\r\n'
EMPTY = b'--b\r\nContent-Disposition: form-data; name="none"; filename=""\r\n\r\n\r\n'
PHOTO = (
    b'--b\r\nContent-Disposition: form-data; name="photo"; filename="C:\\secret\\a b.PNG"\r\n'
    b"Content-Type: Image/PNG; q=1\r\n\r\n" + b"\xff\x00\r\n-" * 40_000 + b"\r\n"
)
END = b"--b--\r\n"
FORM = TITLE + EMPTY + PHOTO + END


class Trickle(io.BytesIO):
    """Hands out no more than so many bytes at a time, and counts the times."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most, self.reads = most, 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(min(size, self.most) if size and size > 0 else self.most)


def made(body: bytes, most: int = 1 << 20, kind: str = MULTIPART, length: int | None = None, **rules: Any) -> Request:
    environ = {
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body) if length is None else length),
        "wsgi.input": Trickle(body, most),
    }
    return Request({KEY: Bodies(**rules), **environ})


def taken(parts: Iterator[Part]) -> list[tuple[str, str | None, bytes]]:
    return [(part.name, part.filename, b"".join(part)) for part in parts]


WHOLE = [("title", None, "vaé".encode()), ("none", None, b""), ("photo", "a b.PNG", b"\xff\x00\r\n-" * 40_000)]


@pytest.mark.parametrize("most", [1, 2, 7, 4096, 1 << 20])
def test_the_parts_are_the_same_however_they_arrive(most: int) -> None:
    form = TITLE + EMPTY + PHOTO[: 300 - len(PHOTO)] + b"\r\n" + END if most < 10 else FORM
    found = taken(made(form, most).parts())
    assert found[:2] == WHOLE[:2]
    assert found[2][:2] == WHOLE[2][:2]
    assert WHOLE[2][2].startswith(found[2][2])
    assert (found == WHOLE) is (most >= 10)


def test_a_part_says_what_it_is() -> None:
    for part in made(FORM).parts():
        if part.name == "photo":
            assert (part.content_type, part.headers["content-TYPE"]) == ("image/png", "Image/PNG; q=1")
            assert part.size == 0
            assert sum(len(piece) for piece in part) == part.size == 200_000
        else:
            assert part.content_type == "text/plain"
            assert part.text() == ("vaé" if part.name == "title" else "")


def test_a_part_comes_before_the_next_has_been_sent() -> None:
    sent = made(FORM, most=len(TITLE) + 10)
    assert next(sent.parts()).text() == "vaé"
    assert sent.environ["wsgi.input"].reads == 1


def test_what_is_not_read_of_a_part_is_passed_over() -> None:
    assert [part.name for part in made(FORM, most=1000).parts()] == ["title", "none", "photo"]


def sheet(text: bytes, kind: str = "text/csv") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="rows"; filename="a.csv"\r\nContent-Type: {kind}\r\n\r\n'
    return head.encode() + text + b"\r\n--b--\r\n"


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_a_file_of_text_line_by_line(most: int) -> None:
    text = '\ufeffname,says\r\nZoë,"one\ntwo"\r\n\r\nlast,'.encode()
    part = next(made(sheet(text), most).parts())
    found = list(part.lines())
    assert found == ["name,says\r\n", 'Zoë,"one\n', 'two"\r\n', "\r\n", "last,"]
    assert list(csv.reader(found)) == [["name", "says"], ["Zoë", "one\ntwo"], [], ["last", ""]]
    assert part.size == len(text)
    assert [list(part.lines()) for part in made(sheet(b"")).parts()] == [[]]
    assert [list(part.lines()) for part in made(sheet(b"\n")).parts()] == [["\n"]]
    assert [list(part.lines()) for part in made(sheet(b"\xe9", "text/csv; charset=iso-8859-1")).parts()] == [["é"]]


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("text", "read", "status", "says"),
    [
        (b"a\n" + b"b" * 21 + b"\n", 1, 413, "One of the lines is too long: 20 bytes"),
        (b"a\n" + b"b" * 20, 2, 0, ""),
        (b"a\n" + b"b" * 21, 1, 413, "body_field"),
        (b"a\n\xff\nc\n", 1, 400, "Line 2 of the text is not UTF-8."),
        (b"\xff", 0, 400, "Line 1 of the text is not UTF-8."),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_at_its_place(
    text: bytes, read: int, status: int, says: str, most: int
) -> None:
    sent = made(sheet(text), most, field=20)
    found: list[str] = []
    refused = contextlib.nullcontext() if not status else pytest.raises(bottle.HTTPError)
    with refused as caught:
        for part in sent.parts():
            for line in part.lines():
                found.append(line)  # as far as it comes
    assert len(found) == read
    if caught is not None:
        assert caught.value.status_code == status
        assert says in caught.value.body
        with pytest.raises(bottle.HTTPError):
            next(sent.environ["demijohn.bodies.incoming"])


def test_a_part_is_gone_when_the_next_is_taken() -> None:
    title, *_ = made(FORM).parts()
    with pytest.raises(PartGoneError, match=r"The part 'title' .* has gone by"):
        title.text()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\photo.png", "photo.png"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        ("a\x00b\x1b[2J\x85.txt", "ab[2J.txt"),
        ("e\u0301te\u0301.txt", "été.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("line\u2028end", "lineend"),
        ("क\u200cष.txt", "क\u200cष.txt"),
        ("..", "unnamed"),
        ("a/", "unnamed"),
        (" .hidden ", "hidden"),
        ("x" * 300 + ".png", "x" * 255),
    ],
)
def test_the_name_of_a_file_is_one_to_show(given: str, name: str) -> None:
    assert file_name(given) == name


def test_a_line_break_in_quotes_does_not_come_through() -> None:
    form = FORM.replace(b"a b.PNG", b"a%0D%0Ab.PNG")
    assert [part.filename for part in made(form).parts()][2] == "ab.PNG"


# What is refused


def refusal(sent: Request) -> bottle.HTTPError:
    with pytest.raises(bottle.HTTPError) as refused:
        taken(sent.parts())
    with pytest.raises(bottle.HTTPError) as again:  # whoever asks once more
        _ = sent.environ["demijohn.bodies.incoming"].check()
    assert again.value.body == refused.value.body
    error: bottle.HTTPError = refused.value
    return error


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            {"limit": 1000},
            "too large: 1,000 bytes can be sent here at most. (The setting is body.limit, a route's option",
        ),
        (
            {"part": 1000},
            "files is too large: 1,000 bytes can be sent here at most. (The setting is body.part, a route's",
        ),
        (
            {"field": 3},
            "fields is too long: 3 bytes can be sent here at most. (The setting is body.field, a route's opt",
        ),
        (
            {"parts": 2},
            "too many fields: 2 can be sent here at most. (The setting is body.parts, a route's option body_p",
        ),
    ],
)
@pytest.mark.parametrize("most", [500, 1 << 20])
def test_each_limit_is_named(rules: dict[str, Any], words: str, most: int) -> None:
    error = refusal(made(FORM, most, **rules))
    assert error.status_code == 413
    assert words in error.body


def test_the_limits_take_what_is_just_within_them() -> None:
    assert taken(made(FORM, limit=len(FORM), part=200_000, field=4, parts=3).parts()) == WHOLE


def test_a_file_that_is_read_as_text_is_held_to_the_length_of_a_field() -> None:
    photo = next(made(PHOTO + END, field=1000).parts())
    with pytest.raises(bottle.HTTPError, match=r"body\.field"):
        photo.text()


@pytest.mark.parametrize("cut", range(1, len(FORM), 9973))
@pytest.mark.parametrize("told", [True, False])
def test_a_form_that_was_cut_off_ends_in_an_error(cut: int, told: bool) -> None:
    error = refusal(made(FORM[:cut], 4096, length=len(FORM) if told else cut))
    assert (error.status_code, "cut off" in error.body) == (400, True)


def test_who_reads_on_after_an_error_gets_it_again() -> None:
    parts = made(PHOTO[:-50]).parts()
    photo = next(parts)
    for read in (lambda: b"".join(photo), photo.text, lambda: next(photo), lambda: next(parts)):
        with pytest.raises(bottle.HTTPError, match="cut off"):
            read()


def test_what_is_no_form_of_parts_is_refused() -> None:
    with pytest.raises(bottle.HTTPError, match="enctype is multipart/form-data") as error:
        made(b"a=1", kind="application/x-www-form-urlencoded").parts()
    assert error.value.status_code == 415


# Beside the other ways to the body


def test_what_is_in_memory_can_be_streamed_again_and_again() -> None:
    sent = made(FORM)
    assert sent.forms.title == "vaé"
    for _ in range(2):
        assert taken(sent.parts()) == WHOLE
        assert b"".join(sent.stream()) == FORM
        assert sent.body.read() == FORM


@pytest.mark.parametrize("what", ["body", "forms", "files", "json", "parts()", "stream()"])
def test_what_has_been_streamed_is_gone(what: str) -> None:
    sent = made(FORM, kind="application/json" if what == "json" else MULTIPART)
    next(sent.stream() if what == "json" else sent.parts())
    with pytest.raises(BodyStreamedError, match=r"after request\.parts\(\) or request\.stream\(\) had begun"):
        _ = getattr(sent, what[:-2])() if what.endswith(")") else getattr(sent, what)


@pytest.mark.parametrize("most", [1, 60, 1 << 20])
def test_the_leading_field_is_only_looked_at(most: int) -> None:
    form = TITLE + EMPTY + END
    for read in (lambda sent: taken(sent.parts()), lambda sent: sent.forms.title, lambda sent: sent.body.read()):
        sent = made(form, most)
        assert sent.leading_field("title") == "vaé"
        assert sent.environ["wsgi.input"].reads <= len(TITLE) / most + 20
        assert sent.leading_field("none") is None
        assert read(sent) == read(made(form))


def test_what_was_looked_at_comes_again_in_few_pieces() -> None:
    """A form whose sender makes a chunk of each byte. To take them one by one from the front of a list takes a minute
    for a field of a megabyte."""
    form = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + b"x" * 100_000 + b"\r\n" + END
    sent = made(form, 1)
    assert len(sent.leading_field("title") or "") == 100_000
    pieces = list(sent.stream())
    assert b"".join(pieces) == form
    assert max(map(len, pieces)) <= 64 * 1024
    assert len(pieces) < 20


def test_a_long_name_of_a_file_is_cut_before_it_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes time by the square of its length, and a form has a thousand of them."""
    lengths: list[int] = []

    def normalize(_form: str, text: str) -> str:
        lengths.append(len(text))
        return text

    monkeypatch.setattr("demijohn.bodies.parts.normalize", normalize)
    assert file_name("C:\\x\\" + "y" * 4000) == "y" * 255
    assert file_name("z/" * 2000 + "name.png") == "name.png"
    assert max(lengths) <= 1000


def test_no_file_is_read_for_the_leading_field() -> None:
    sent = made(PHOTO + END, 1000)
    assert sent.leading_field("photo") is None
    assert sent.environ["wsgi.input"].reads == 1
    assert taken(sent.parts()) == WHOLE[2:]
    assert made(b"title=1", kind="application/x-www-form-urlencoded").leading_field("title") is None


@pytest.mark.parametrize("limit", [999, 1000])
def test_memory_is_held_to_less_than_a_stream(limit: int) -> None:
    sent = made(b"x" * 1000, kind="text/plain", limit=2000, memory=limit)
    if limit == 1000:
        assert len(sent.body.read()) == 1000
        return
    with pytest.raises(bottle.HTTPError, match=r"999 bytes can be sent .* body\.memory, .* request\.parts\(\) and"):
        _ = sent.body
    assert sum(map(len, made(b"x" * 1000, limit=2000, memory=limit).stream())) == 1000


# In an app


def app() -> bottle.Bottle:
    app = bottle.Bottle()
    app.install(Bodies(limit=1000, timeout=5))

    @app.put("/raw")
    @app.put("/raw/large", body_limit=5000)
    def raw() -> str:
        return str(sum(map(len, request.stream())))

    @app.put("/raw/asked")
    def asked() -> str:
        return str(sum(map(len, request.stream(limit=5000))))

    @app.post("/fields", body_field=10, body_parts=2, body_timeout=0.5)
    def fields() -> dict[str, Any]:
        return {"fields": list(request.forms.decode().allitems())}

    @app.put("/swallow")
    def swallow() -> str:
        with contextlib.suppress(bottle.HTTPError):
            raw()
        return "all well"

    @app.put("/echo")
    def echo() -> Iterator[bytes]:
        yield from request.stream()

    return app


@pytest.mark.parametrize(("path", "limit"), [("/raw", 1000), ("/raw/large", 5000), ("/raw/asked", 5000)])
def test_a_raw_body_has_the_limit_of_its_route(path: str, limit: int) -> None:
    client = Client(app())
    assert client.ask("PUT", path, bytes(limit)).text == str(limit)
    assert client.ask("PUT", path, bytes(limit + 1)).status == 413


@pytest.mark.parametrize("body", [b"a=12345678901", b"a=1&b=2&c=3"])
def test_the_fields_of_a_plain_form_are_bounded_as_well(body: bytes) -> None:
    client = Client(app())
    kind = "application/x-www-form-urlencoded"
    assert client.ask("POST", "/fields", b"a=1&b=123456789", CONTENT_TYPE=kind).json["fields"] == [
        ["a", "1"],
        ["b", "123456789"],
    ]
    answer = client.ask("POST", "/fields", body, CONTENT_TYPE=kind)
    assert answer.status == 413
    assert ("body.field, a route" if len(body) > 11 else "body.parts, a route") in answer.text.replace("&#039;", "'")


def test_a_stream_that_failed_is_the_answer_whatever_the_handler_makes_of_it() -> None:
    client = Client(app())
    assert client.ask("PUT", "/swallow", b"x" * 10).text == "all well"
    assert client.ask("PUT", "/swallow", b"x" * 10, CONTENT_LENGTH="11").status == 400
    assert client.ask("PUT", "/swallow", b"x" * 1001).status == 413


def test_a_body_can_be_answered_while_it_arrives() -> None:
    assert Client(app()).ask("PUT", "/echo", b"x" * 1000).body == b"x" * 1000


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("body_part", "1 MB", "number of bytes"),
        ("body_parts", -1, "number of fields and files"),
        ("body_timeout", None, "number of seconds"),
        ("body_rate", True, "number of bytes"),
    ],
)
def test_an_option_of_a_route_that_is_no_number_is_named(option: str, value: object, words: str) -> None:
    plain = app()
    plain.post("/upload", callback=lambda: "", **{option: value})
    with pytest.raises(BodyLimitError, match=rf"The route /upload has {option}=.* {words}"):
        plain.routes[-1].prepare()
