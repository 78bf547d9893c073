"""The site closed to visitors, or to their writing: by a variable, a file, or what all copies share."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import bottle
import pytest

from demijohn.health import operators
from demijohn.health.maintenance import LONGEST, Maintenance
from demijohn.health.notice import KEY, RETRY_AFTER, Notice, read
from demijohn.shared import SharedDownError
from demijohn.shared.memory import MemoryShared
from tests.client import Client
from tests.clock import Clock as Clock
from tests.clock import clock as clock

SECRETS = ["the new secret of the tests", "the old one"]
HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def app() -> bottle.Bottle:
    app = bottle.Bottle()
    app.route("/", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], lambda: "here")
    app.route("/static/page.css", callback=lambda: "a style")
    return app


class Told:
    """What all copies share, as a part sees it."""

    def __init__(self) -> None:
        self.notice: Notice | None = None
        self.asked = 0
        self.error: Exception | None = None

    def __call__(self) -> bytes | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return None if self.notice is None else self.notice.write()


def test_an_open_site_is_asked_about_once_a_second_and_not_in_its_first(app: bottle.Bottle, clock: Clock) -> None:
    told = Told()
    app.install(Maintenance(shared=told))
    visitor = Client(app)
    for _ in range(10):
        assert visitor.get("/").status == 200
    assert told.asked == 0
    clock.now += 1.01
    for _ in range(10):
        assert visitor.get("/").status == 200
    assert told.asked == 1
    clock.now += 1.01
    visitor.get("/")
    assert told.asked == 2


def test_closed_and_open_again(app: bottle.Bottle, clock: Clock) -> None:
    told = Told()
    app.install(Maintenance(shared=told, spared=["/static/"]))
    visitor = Client(app)
    told.notice = Notice("on", "Back <soon>")
    clock.now += 1.01
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        answer = visitor.ask(method, "/")
        assert answer.status == 503
        assert answer.header("Retry-After") == str(RETRY_AFTER)
        assert answer.header("Cache-Control") == "no-store"
    assert "Back &lt;soon&gt;" in visitor.get("/").text
    assert visitor.get("/nowhere").status == 503
    assert visitor.get("/static/page.css").text == "a style"
    told.notice = Notice()
    clock.now += 1.01
    assert visitor.get("/").text == "here"
    told.notice = Notice("on")
    clock.now += 1.01
    assert "The site is being worked on" in visitor.get("/").text
    told.notice = None
    clock.now += 1.01
    assert visitor.get("/").text == "here"


def test_read_only_refuses_what_writes(app: bottle.Bottle, clock: Clock) -> None:
    told = Told()
    told.notice = Notice("read-only")
    app.install(Maintenance(shared=told))
    visitor = Client(app)
    clock.now += 1.01
    for method in ("GET", "HEAD", "OPTIONS"):
        assert visitor.ask(method, "/").status == 200
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = visitor.ask(method, "/")
        assert answer.status == 503
        assert "can only be read for now, and nothing was changed" in answer.text


def test_what_cannot_be_asked_is_as_it_was_and_is_asked_less(app: bottle.Bottle, clock: Clock) -> None:
    told = Told()
    app.install(Maintenance(shared=told))
    visitor = Client(app)
    for error in (SharedDownError("the database", "no answer"), RuntimeError("whatever")):
        for notice, status in ((Notice("on"), 503), (Notice(), 200)):
            told.notice, told.error = notice, None
            clock.now += LONGEST + 1
            assert visitor.get("/").status == status
            told.error, told.asked = error, 0
            for _ in range(60):
                clock.now += 1.01
                assert visitor.get("/").status == status
            assert 60 / LONGEST - 2 <= told.asked <= 60 / LONGEST + 5
    told.notice, told.error = Notice("on"), None
    for _ in range(int(LONGEST) + 1):
        clock.now += 1.01
        visitor.get("/")
    assert visitor.get("/").status == 503, "it is answering again"


def test_when_it_will_be_over(app: bottle.Bottle, clock: Clock) -> None:
    told = Told()
    told.notice = Notice("on", until=time.time() + 600)
    app.install(Maintenance(shared=told))
    clock.now += 1.01
    assert 595 <= int(Client(app).get("/").header("Retry-After") or 0) <= 600
    told.notice = Notice("on", until=time.time() - 5)
    clock.now += 1.01
    answer = Client(app).get("/")
    assert (answer.status, answer.header("Retry-After")) == (503, str(RETRY_AFTER)), "nobody has ended it"


def test_a_file_in_the_way(app: bottle.Bottle, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "DISABLED"
    app.install(Maintenance(file=os.fspath(file)))
    visitor = Client(app)
    for content, words in {
        b"": "The site is being worked on",
        b"We move.\n": "We move.",
        b"\xff\xfe{": "\ufffd",
        Notice("on", "By hand").write(): "By hand",
        b'{"mode": "on", "message": "", "until": NaN}': "NaN",
        b'["on"]': "on",
        b"[" * 9000: "[[[",
        b'{"mode": "on", "message": "", "until": 1' + b"0" * 400 + b"}": "10000",
    }.items():
        file.write_bytes(content)
        clock.now += 1.01
        answer = visitor.get("/")
        assert answer.status == 503
        assert words in answer.text
    file.unlink()
    clock.now += 1.01
    assert visitor.get("/").status == 200
    file.write_bytes(Notice("read-only").write())
    clock.now += 1.01
    assert (visitor.get("/").status, visitor.post("/").status) == (200, 503)


def test_what_the_settings_say_is_stronger(app: bottle.Bottle, clock: Clock) -> None:
    told = Told()
    told.notice = Notice()
    app.install(Maintenance(mode="on", shared=told))
    assert Client(app).get("/").status == 503, "from the first request on"
    clock.now += 1.01
    assert Client(app).get("/").status == 503


# Operators


def test_an_operator_is_let_through_by_a_link(app: bottle.Bottle) -> None:
    app.install(Maintenance(mode="on", secrets=SECRETS))
    operator, visitor = Client(app), Client(app)
    link = f"{operators.PATH}?pass={operators.make_pass(SECRETS)}"
    answer = operator.get(link, **{"wsgi.url_scheme": "https"})
    assert (answer.status, answer.header("Location")) == (303, "/")
    assert answer.header("Cache-Control") == "no-store"
    cookie = answer.header("Set-Cookie") or ""
    assert re.search(r"; Max-Age=43(199|200); Path=/; HttpOnly; SameSite=Lax; Secure$", cookie)
    assert "Secure" not in (Client(app).get(link).header("Set-Cookie") or "")
    answer = operator.get("/")
    assert (answer.text, answer.header("X-Maintenance")) == ("here", "on; you are let through as an operator")
    assert operator.post("/").status == 200
    assert visitor.get("/").status == 503
    assert visitor.get("/").header("X-Maintenance") is None
    operator.cookies = {"a": "1", operators.COOKIE: operators.make_pass(SECRETS[1:]), "b": "2"}
    assert operator.get("/").status == 200, "the old secret is still believed"


def test_a_pass_that_is_none(app: bottle.Bottle) -> None:
    app.install(Maintenance(mode="on", secrets=SECRETS))
    good = operators.make_pass(SECRETS)
    ends, mark = good.split(".")
    for wrong in (
        "",
        "x",
        f"{int(ends) + 1}.{mark}",
        f"{ends}.{mark[:-1]}",
        f"{ends}.{mark}x",
        f"٣{ends}.{mark}",
        operators.make_pass(["another secret"]),
        operators.make_pass(SECRETS, -1),
    ):
        visitor = Client(app)
        answer = visitor.get(f"{operators.PATH}?pass={wrong.encode().decode('latin1')}")
        assert (answer.status, answer.header("Set-Cookie")) == (403, None)
        assert "This link is good no more" in answer.text
        visitor.cookies = {operators.COOKIE: wrong.encode().decode("latin1")}
        assert visitor.get("/").status == 503
    assert Client(app).get(operators.PATH).status == 403
    nobody = bottle.Bottle()
    nobody.install(Maintenance(mode="on"))
    assert Client(nobody).get("/", HTTP_COOKIE=f"{operators.COOKIE}={good}").status == 503


def test_while_the_site_is_open_the_link_leads_nowhere(app: bottle.Bottle) -> None:
    app.install(Maintenance(secrets=SECRETS))
    answer = Client(app).get(f"{operators.PATH}?pass={operators.make_pass(SECRETS)}")
    assert (answer.status, answer.header("Set-Cookie")) == (404, None)


def test_what_is_shared_is_read_back() -> None:
    shared = MemoryShared()
    notice = Notice("read-only", "Grüße\n", 1.5)
    shared.put(KEY, notice.write(), 60)
    assert read(shared.get(KEY) or b"") == notice
