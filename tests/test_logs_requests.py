"""Each request has an id, in the answer and on each of its lines; slow ones and slow queries are named."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import bottle
import pytest
import sqlalchemy
from sqlalchemy import text

from demijohn import lifetime
from demijohn.database import Database
from demijohn.logs import context
from demijohn.logs.formats import Json
from demijohn.logs.plugin import Logs
from demijohn.logs.slow import without_literals
from demijohn.secrecy.hiding import Secrets
from tests.client import Answer, Client

log = logging.getLogger("demijohn.shop")


class Heard(logging.Handler):
    """What the log says, as the host would read it."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.words = Json(Secrets(secrets))
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.words.format(record)
        self.lines.append(line)
        self.events.append(json.loads(line))

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["logger"] == f"demijohn.{name}"]


def header(answer: Answer, name: str) -> str:
    return answer.header(name) or ""


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard, ours = Heard(("planted-key-of-the-site",)), logging.getLogger("demijohn")
    level = ours.level
    ours.addHandler(heard)
    ours.setLevel(logging.INFO)
    yield heard
    ours.removeHandler(heard)
    ours.setLevel(level)


def make_app(logs: Logs, database: str = "") -> bottle.Bottle:
    app = bottle.Bottle()
    app.install(logs)
    if database:
        app.install(Database(database, tell=logs.query))

    @app.get("/")
    def index() -> str:
        log.info("in the handler")
        return "hello"

    @app.get("/stream")
    def stream() -> Iterator[str]:
        for number in range(3):
            log.info("piece %d", number)
            yield str(number)

    @app.get("/boom/<token>")
    def boom(token: str) -> None:
        raise ValueError(f"{token} planted-key-of-the-site")

    app.route(
        "/form", "POST", lambda: log.info("got %s %s", bottle.request.forms.password, dict(bottle.request.headers))
    )
    app.route("/none", callback=lambda: bottle.HTTPResponse(status=204))
    app.route("/same", callback=lambda: bottle.HTTPResponse(status=304))
    app.route("/other", callback=lambda: bottle.redirect("/"))
    app.route("/written", callback=lambda: bottle.request.environ["wsgi.errors"].write("a line\n") and "")
    return app


@pytest.mark.parametrize("path", ["/", "/stream", "/boom/x", "/nowhere", "/none", "/same", "/other", "/\xff"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_answer_has_the_id_and_each_request_one_line(method: str, path: str, heard: Heard) -> None:
    answer = Client(make_app(Logs(requests=True))).ask(method, path)
    id = header(answer, "X-Request-ID")
    assert context.is_well_formed(id)
    assert {event["request_id"] for event in heard.events} == {id}
    (told,) = heard.of("requests")
    assert (told["method"], told["path"], told["status"]) == (method, path.replace("\xff", "%FF"), answer.status)
    assert told["ms"] >= 0


def test_ids_differ_and_a_fork_does_not_repeat_them() -> None:
    logs = Logs()
    client = Client(make_app(logs))
    ids = [header(client.get("/none"), "X-Request-ID") for _ in range(3)]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, header(client.get("/none"), "X-Request-ID").encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    ids += [os.read(reading, 200).decode(), header(client.get("/none"), "X-Request-ID")]
    os.close(reading)
    assert len({*ids}) == 5
    assert len({id.partition("-")[0] for id in ids}) == 2


@pytest.mark.parametrize(("named", "taken"), [("X-Request-ID", True), ("Fly-Request-Id", False), ("", False)])
def test_an_id_is_taken_only_from_the_header_of_the_host(named: str, taken: bool, heard: Heard) -> None:
    client = Client(make_app(Logs(requests=True, id_header=named)))
    answer = client.get("/", HTTP_X_REQUEST_ID="from-outside-1")
    assert (header(answer, "X-Request-ID") == "from-outside-1") is taken
    for bad in ("a b", "x" * 201, 'a"b', "a,b", "\xfc", ""):
        answer = client.get("/", HTTP_X_REQUEST_ID=bad)
        assert header(answer, "X-Request-ID") != bad


def test_lines_before_the_handler_have_the_id_and_those_after_the_end_have_none(heard: Heard) -> None:
    bottle.request.bind({})  # a thread keeps its last one, which another test may have left open
    app = make_app(Logs())
    lifetime.attach(app, opener=lambda environ: log.info("in an opener"))
    client = Client(app)
    for _ in range(2):
        id = header(client.get("/"), "X-Request-ID")
        assert [event["request_id"] for event in heard.events[-2:]] == [id, id]
        log.info("after it")
        assert "request_id" not in heard.events[-1]
    thread = threading.Thread(target=log.info, args=("elsewhere",))
    thread.start()
    thread.join()
    assert "request_id" not in heard.events[-1]
    record = logging.LogRecord("x", 20, "", 0, "", (), None)
    assert context.RequestId().filter(record)
    assert record.request_id == ""  # type: ignore[attr-defined]


def call(app: bottle.Bottle, path: str) -> Any:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    return app.wsgi(environ, lambda *_: None)


def test_a_stream_is_told_of_at_its_end_and_if_it_was_cut(heard: Heard) -> None:
    app = make_app(Logs(requests=True))
    first, second = call(app, "/stream"), call(app, "/stream")
    assert not heard.of("requests")
    while [next(first, None), next(second, None)] != [None, None]:  # by turns
        pass
    assert len({event["request_id"] for event in heard.of("shop")}) == 2
    first.close()
    second.close()
    assert [event.get("cut") for event in heard.of("requests")] == [None, None]
    third = call(app, "/stream")
    next(third)
    third.close()
    assert heard.of("requests")[-1]["cut"] is True


def test_slow_ones_are_warnings_also_where_requests_are_not_told(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("demijohn.logs.plugin.perf_counter", lambda: now[0])
    app = make_app(Logs(slow_request=500, quiet=("/health/",)))

    def wait(seconds: float = 0.6) -> str:
        now[0] += seconds
        return "done"

    def drip() -> Iterator[str]:
        yield "one"
        yield wait()

    app.route("/wait/<what>", callback=lambda what: wait())
    app.route("/drip", callback=drip)
    app.route("/health/live", callback=wait)
    client = Client(app)
    client.get("/")
    assert not heard.of("requests")
    client.get("/wait/x?page=2&token=abcdef")
    client.get("/drip")
    client.get("/health/live")
    waited, dripped, lived = heard.of("requests")
    assert waited["message"] == "Slow: GET /wait/x?page=2&token=(hidden) 200 in 600 ms"
    assert (waited["level"], waited["route"], waited["slow"], waited["bytes"]) == (
        "WARNING",
        "GET /wait/<what>",
        True,
        4,
    )
    assert (dripped["ms"], lived["ms"]) == (600.0, 600.0)


def test_probes_are_not_told_of(heard: Heard) -> None:
    app = make_app(Logs(requests=True, quiet=("/_health/",)))
    app.route("/_health/live", callback=lambda: "alive")
    Client(app).get("/_health/live")
    assert not heard.events


def test_an_app_mounted_as_wsgi_tells_of_a_request_once(heard: Heard) -> None:
    outer, inner = make_app(Logs(requests=True)), make_app(Logs(requests=True))
    outer.mount("/inner/", inner.wsgi)
    answer = Client(outer).get("/inner/")
    assert len([name for name, _ in answer.headers if name.lower() == "x-request-id"]) == 1
    assert [event["path"] for event in heard.of("requests")] == ["/inner/"]


def test_what_is_written_to_the_servers_error_stream_is_an_event(heard: Heard) -> None:
    Client(make_app(Logs())).get("/written")
    assert [(event["level"], event["message"]) for event in heard.of("errors")] == [("ERROR", "a line")]


def test_an_error_is_one_event_with_its_traceback(heard: Heard) -> None:
    assert Client(make_app(Logs())).get("/boom/x").status == 500
    (told,) = heard.of("errors")
    assert told["message"] == "GET /boom/x failed: ValueError"
    assert told["exception"].endswith("ValueError: x (hidden)")


def test_a_text_in_a_statement_is_hidden_where_the_statement_is_cut() -> None:
    for long in (
        "'" + "planted " * 2000 + "'",
        "$$" + "planted " * 2000 + "$$",
        "'" + "planted\\' " * 2000,
        "'" + "\\" * 9000,
    ):
        assert without_literals(f"INSERT INTO notes VALUES ('planted', 'it''s planted', {long})") == (
            "INSERT INTO notes VALUES ('...', '...', '...'"
        )


def test_queries_are_counted_and_slow_ones_named_without_their_values(heard: Heard) -> None:
    logs = Logs(requests=True, slow_query=1, server_timing=True)
    app = make_app(logs, "sqlite://")

    @app.get("/queries")
    def queries(db: Any) -> str:
        db.scalar(text("SELECT 1 WHERE :password = 'planted in sql' OR 1"), {"password": "planted-in-values"})
        with pytest.raises(sqlalchemy.exc.OperationalError):
            db.execute(text("SELECT nothing_there"))
        log.info("now slowly")
        slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n"
        db.scalar(text(slow + " WHERE :password != 'planted in sql'"), {"password": "planted-in-values"})
        with logs.timed("search"):
            return "done"

    answer = Client(app).get("/queries")
    slow = heard.of("queries")[-1]
    assert slow["level"] == "WARNING"
    assert slow["statement"].startswith("WITH RECURSIVE")
    assert slow["statement"].endswith("WHERE ? != '...'")
    assert "test_logs_requests.py" in slow["at"]
    assert slow["at"].endswith("in queries")
    assert slow["query_ms"] >= 1
    (told,) = heard.of("requests")
    assert told["queries"] == 3
    assert told["query_ms"] >= slow["query_ms"]
    assert "planted" not in "".join(heard.lines)
    timing = header(answer, "Server-Timing")
    names = [part.partition(";")[0] for part in timing.split(", ")]
    assert names == ["total", "db", "search"]
    assert 'desc="3 queries"' in timing


def test_nothing_is_listened_to_where_nobody_wants_to_know() -> None:
    assert not Logs().wants_queries
    for logs in (Logs(requests=True), Logs(slow_query=1), Logs(server_timing=True)):
        assert logs.wants_queries
    answer = Client(make_app(Logs())).get("/")
    assert answer.header("Server-Timing") is None


def test_secrets_of_a_request_stand_on_no_line(heard: Heard) -> None:
    client = Client(make_app(Logs(requests=True)))
    headers = {
        "HTTP_AUTHORIZATION": "Basic YW5uOnBsYW50ZWQtYmFzaWM=",
        "HTTP_COOKIE": "session=planted-cookie-value; theme=dark",
    }
    client.post("/form?key=planted-key&page=2", {"password": "planted-pässword", "text": "hello"}, **headers)
    client.get("/boom/planted-token-in-the-path", **headers)
    assert heard.of("shop")
    assert heard.of("errors")
    said = "".join(line.encode().decode("unicode_escape") for line in heard.lines)
    assert "planted-pässword" not in said
    assert "YW5u" not in said
    assert "planted-key" not in said
    assert "planted-cookie" not in said
    assert "planted-basic" not in said
    assert "page=2" in said
    assert "theme" not in said or "dark" not in said.partition("theme")[2][:8]
    assert heard.of("errors")[0]["exception"].endswith("ValueError: (hidden) (hidden)")


def test_no_visitor_hides_what_he_has_asked_for(heard: Heard) -> None:
    """Who knows what is hidden could send it along: as a cookie, or under a secret's name."""
    client = Client(make_app(Logs(requests=True)))
    address = "203.0.113.177"
    client.get(
        f"/stream?token={address}&code=/stream", REMOTE_ADDR=address, HTTP_COOKIE=f"a={address}; b=/stream?token=x"
    )
    told = heard.of("requests")[-1]
    assert (told["path"], told["client"]) == ("/stream?token=(hidden)&code=(hidden)", address)
    assert told["message"].startswith("GET /stream?token=(hidden)&code=(hidden) 200 in ")
    client.get("/boom/planted token \xc3\xbc")
    told = heard.of("requests")[-1]
    assert (told["path"], told["route"]) == ("/boom/(hidden)", "GET /boom/<token>")
