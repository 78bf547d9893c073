from __future__ import annotations

from typing import Any

import bottle
import pytest

from demijohn import lifetime
from tests.client import Client


class Witness:
    """A participant that writes down what happens to it."""

    def __init__(self, order: int = 0, fails: Exception | None = None, fails_early: Exception | None = None) -> None:
        self.order = order
        self.seen: list[str] = []
        self._fails = fails
        self._fails_early = fails_early

    def prepare(self, status: int) -> None:
        if self._fails_early:
            raise self._fails_early

    def settle(self, status: int, headers: lifetime.Headers | None) -> None:
        self.seen.append(f"settle {status}" if headers is not None else f"settle {status} late")
        if headers is not None:
            headers.append(("X-Witness", str(self.order)))
        if self._fails and status < 400:
            raise self._fails

    def close(self) -> None:
        self.seen.append("close")


def app_with(*witnesses: Witness) -> bottle.Bottle:
    app = bottle.Bottle()
    lifetime.attach(app)

    def join() -> None:
        for witness in witnesses:
            lifetime.join(lifetime.joined(bottle.request.environ), witness)

    app.add_hook("before_request", join)

    @app.get("/page")
    def page() -> str:
        return "page"

    @app.get("/stream")
    def stream() -> Any:
        yield "one"
        yield "two"

    @app.get("/stream-that-breaks")
    def breaks() -> Any:
        yield "one"
        raise OSError("broken")

    @app.get("/stream-that-never-starts")
    def never() -> Any:
        yield ""
        raise OSError("broken")

    @app.get("/boom")
    def boom() -> str:
        raise OSError("boom")

    @app.get("/abort")
    def abort() -> str:
        bottle.abort(409, "no")
        return ""

    @app.get("/returned-error")
    def returned() -> Any:
        return bottle.HTTPError(410, "gone")

    @app.get("/redirect")
    def redirect() -> str:
        bottle.redirect("/page")
        return ""

    @app.get("/empty")
    def empty() -> Any:
        return bottle.HTTPResponse(status=204)

    return app


@pytest.mark.parametrize(
    ("path", "status", "seen"),
    [
        ("/page", 200, ["settle 200", "close"]),
        ("/stream", 200, ["settle 200", "settle 200 late", "close"]),
        ("/boom", 500, ["settle 500", "close"]),
        ("/abort", 409, ["settle 409", "close"]),
        ("/returned-error", 410, ["settle 410", "close"]),
        ("/redirect", 302, ["settle 302", "close"]),
        ("/empty", 204, ["settle 204", "close"]),
        ("/nowhere", 404, ["settle 404", "close"]),
        ("/stream-that-never-starts", 500, ["settle 500", "close"]),
    ],
)
def test_settled_once_before_the_first_byte_and_closed_once(path: str, status: int, seen: list[str]) -> None:
    witness = Witness()
    answer = Client(app_with(witness)).get(path)
    assert answer.status == status
    assert witness.seen == seen
    assert answer.header("X-Witness") == "0"


def test_head_closes_without_sending() -> None:
    witness = Witness()
    answer = Client(app_with(witness)).ask("HEAD", "/stream")
    assert (answer.status, answer.body) == (200, b"")
    assert witness.seen == ["settle 200", "close"]


def test_a_visitor_who_hangs_up() -> None:
    witness = Witness()
    started = Client(app_with(witness)).begin("GET", "/stream")
    assert next(started.pieces) == b"one"
    assert witness.seen == ["settle 200"]
    started.close()
    assert witness.seen == ["settle 200", "close"]


def test_a_stream_that_breaks_is_closed_unsettled() -> None:
    witness = Witness()
    with pytest.raises(OSError, match="broken"):
        Client(app_with(witness)).get("/stream-that-breaks")
    assert witness.seen == ["settle 200", "close"]


def test_a_page_is_closed_before_it_is_sent() -> None:
    witness = Witness()
    started = Client(app_with(witness)).begin("GET", "/page")
    assert witness.seen == ["settle 200", "close"]
    started.close()
    assert witness.seen == ["settle 200", "close"]


def test_lower_order_settles_first_and_its_failure_is_told_to_the_next() -> None:
    first, second = Witness(0, fails=bottle.HTTPError(503, "busy")), Witness(10)
    answer = Client(app_with(second, first)).get("/page")
    assert answer.status == 503
    assert b"busy" in answer.body
    assert first.seen == ["settle 200", "settle 503", "close"]
    assert second.seen == ["settle 503", "settle 503", "close"]


def test_what_is_known_to_fail_fails_before_anything_is_kept() -> None:
    first, second = Witness(0), Witness(10, fails_early=bottle.HTTPError(503, "known before"))
    answer = Client(app_with(first, second)).get("/page")
    assert answer.status == 503
    assert first.seen[0] == "settle 503"


def test_an_unforeseen_failure_is_a_500_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    answer = Client(app_with(Witness(fails=RuntimeError("the secret reason")))).get("/page")
    assert answer.status == 500
    assert b"secret reason" not in answer.body
    assert "the secret reason" in caplog.text


def test_an_error_page_that_softens_the_status_does_not_commit() -> None:
    witness = Witness()
    app = app_with(witness)

    @app.error(409)
    def soft(_error: Any) -> str:
        bottle.response.status = 200
        return "never mind"

    answer = Client(app).get("/abort")
    assert (answer.status, answer.text) == (200, "never mind")
    assert witness.seen[0] == "settle 409"


def test_an_error_page_that_fails_too_is_a_plain_500(caplog: pytest.LogCaptureFixture) -> None:
    witness = Witness()
    app = app_with(witness)

    @app.error(409)
    def broken(_error: Any) -> str:
        raise RuntimeError("the page is broken")

    answer = Client(app).get("/abort")
    assert answer.status == 500
    assert "Something went wrong" in answer.text
    assert "the page is broken" not in answer.text
    assert "the page is broken" in caplog.text
    assert witness.seen == ["close"]


def test_without_catchall_errors_pass_and_everything_is_closed() -> None:
    witness = Witness()
    app = app_with(witness)
    app.catchall = False
    with pytest.raises(OSError, match="boom"):
        Client(app).get("/boom")
    assert witness.seen == ["close"]


@pytest.mark.parametrize("path", ["/\xff", "/a\xffb", "/\xc3("])
def test_a_path_that_is_not_utf8_is_a_400(path: str) -> None:
    witness = Witness()
    answer = Client(app_with(witness)).get(path)
    assert answer.status == 400
    assert b"UTF-8" in answer.body


def test_a_path_that_is_utf8_reaches_its_handler() -> None:
    app = bottle.Bottle()
    lifetime.attach(app)
    app.route("/<name>", callback=lambda name: name)
    assert Client(app).get("/ü".encode().decode("latin1")).text == "ü"


def test_a_mounted_app_takes_part_in_the_outer_ones_requests() -> None:
    witness = Witness()
    inner, outer, outermost = bottle.Bottle(), bottle.Bottle(), bottle.Bottle()
    lifetime.attach(inner)

    @inner.get("/page")
    def page() -> str:
        lifetime.join(lifetime.joined(bottle.request.environ), witness)
        return "inner"

    outer.mount("/in/", inner)
    outermost.mount("/out/", outer)
    assert Client(outermost).get("/out/in/page").text == "inner"
    assert witness.seen == ["settle 200", "close"]


def test_an_app_that_nothing_is_installed_on_is_told() -> None:
    app = bottle.Bottle()

    @app.get("/")
    def page() -> str:
        with pytest.raises(RuntimeError, match="mount the inner one as WSGI"):
            lifetime.join(lifetime.joined(bottle.request.environ), Witness())
        return "told"

    assert Client(app).get("/").text == "told"


def test_attaching_twice_is_once() -> None:
    app = bottle.Bottle()
    lifetime.attach(app)
    lifetime.attach(app)
    witness = Witness()
    app.add_hook("before_request", lambda: lifetime.join(lifetime.joined(bottle.request.environ), witness))
    app.route("/", callback=lambda: "x")
    Client(app).get("/")
    assert witness.seen == ["settle 200", "close"]


def _odd(which: str) -> Any:
    response = bottle.response
    match which:
        case "cookie":
            response.set_cookie("a", "1")
        case "several":
            response.add_header("X-One", "1")
            response.add_header("X-One", "2")
        case "number":
            response.set_header("X-Number", 5)
        case "not ASCII":
            response.set_header("X-Name", "jalapeño €")
        case "status":
            response.status = "200 Für dich"
        case "304":
            response.status = 304
            response.set_header("Content-Length", 5)
        case "type":
            response.content_type = "text/plain"
    return "text"


@pytest.mark.parametrize("which", ["cookie", "several", "number", "not ASCII", "status", "304", "type", "plain"])
def test_status_and_headers_are_what_bottle_makes_of_them(which: str) -> None:
    answers = []
    for attached in (False, True):
        app = bottle.Bottle()
        if attached:
            lifetime.attach(app)
        app.route("/", callback=lambda: _odd(which))
        begun: list[Any] = []
        body = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *start, begun=begun: begun.append(start[:2]))
        answers.append((begun, list(body)))
    assert answers[0] == answers[1]


# An opener's own answer


def ready_app(*finishers: Any, joins: Witness | None = None, body: Any = None) -> bottle.Bottle:
    app = bottle.Bottle()

    def opener(environ: Any) -> Any:
        if environ["PATH_INFO"] != "/ready":
            return None
        if joins is not None:
            lifetime.join(lifetime.joined(environ), joins)
        return "203 Ready", 203, [("Content-Type", "text/plain")], [b"ready"] if body is None else body

    lifetime.attach(app, opener)
    lifetime.attach(app, lambda environ: environ.setdefault("later", True) and None)
    for finisher in finishers:
        lifetime.attach(app, finisher=finisher)
    app.get("/page", callback=lambda: "page")
    app.add_hook("before_request", lambda: bottle.response.set_header("X-Bottle", "1"))
    return app


def test_what_an_opener_returns_goes_out_as_it_is() -> None:
    client = Client(ready_app(lambda environ, status, headers: headers.append(("X-Status", str(status)))))
    answer = client.get("/ready")
    assert (answer.status, answer.body) == (203, b"ready")
    assert answer.headers == [("Content-Type", "text/plain"), ("X-Status", "203")]
    answer = client.get("/page")
    assert (answer.text, answer.header("X-Status"), answer.header("X-Bottle")) == ("page", "200", "1")


@pytest.mark.parametrize("body", [None, iter([b"re", b"ady"])], ids=["whole", "in pieces"])
def test_who_joins_in_an_opener_is_settled_and_closed(body: Any) -> None:
    witness = Witness()
    answer = Client(ready_app(joins=witness, body=body)).get("/ready")
    assert (answer.status, answer.body, answer.header("X-Witness")) == (203, b"ready", "0")
    assert witness.seen == ["settle 203", *(["settle 200 late"] if body else []), "close"]


def test_who_cannot_settle_makes_an_error_of_it() -> None:
    witness = Witness(fails=bottle.HTTPError(409, "not kept"))
    answer = Client(ready_app(joins=witness)).get("/ready")
    assert answer.status == 409
    assert witness.seen[-1] == "close"


def test_a_finisher_that_fails_has_the_last_resort_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fails(environ: Any, status: int, headers: Any) -> None:
        raise OSError("the finisher is broken")

    answer = Client(ready_app(fails)).get("/ready")
    assert answer.status == 500
    assert "Something went wrong" in answer.text
    assert "the finisher is broken" in caplog.text


def test_no_request_is_left_behind_or_taken_from_the_outer_one() -> None:
    for outer in (None, [Witness()]):
        environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/ready"}
        if outer is not None:
            environ[lifetime.KEY] = outer
        assert list(ready_app()(environ, lambda *start: None)) == [b"ready"]
        assert environ.get(lifetime.KEY) is outer


def test_a_handler_finds_in_the_environ_what_bottle_puts_there() -> None:
    found: list[dict[str, Any]] = []
    for attached in (False, True):
        app = bottle.Bottle()
        if attached:
            lifetime.attach(app)

        @app.get("/é/<name>")
        def show(name: str) -> str:
            found.append(dict(bottle.request.environ))
            return name

        assert Client(app).get("/é/a".encode().decode("latin1")).text == "a"
        assert found[-1].pop("bottle.app") is app
        assert found[-1].pop("bottle.request") is bottle.request
        assert found[-1].pop("route.handle") is found[-1].pop("bottle.route") is app.routes[0]
    kept = [
        {key: value for key, value in each.items() if not key.startswith(("wsgi.", lifetime.KEY))} for each in found
    ]
    assert kept[0] == kept[1]
    assert kept[1]["route.url_args"] == {"name": "a"}
    assert (kept[1]["bottle.raw_path"], kept[1]["PATH_INFO"]) == ("/Ã©/a", "/é/a")


@pytest.mark.parametrize("name", ["_handle", "_cast", "trigger_hook"])
@pytest.mark.parametrize("where", ["class", "subclass"])
def test_who_replaces_a_step_of_bottle_s_is_called(monkeypatch: pytest.MonkeyPatch, name: str, where: str) -> None:
    usual, called = getattr(bottle.Bottle, name), []

    def replaced(app: bottle.Bottle, value: Any, *more: Any) -> Any:
        called.append(value)
        return usual(app, value, *more)

    kind = bottle.Bottle if where == "class" else type("Own", (bottle.Bottle,), {})
    app = kind()
    lifetime.attach(app)
    app.get("/", callback=lambda: "text")
    monkeypatch.setattr(kind, name, replaced)  # as late as a library may come that watches requests
    assert Client(app).get("/").text == "text"
    assert called
