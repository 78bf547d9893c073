"""The code in docs/ can be copied, and does what its page says.

The pages on data, migrations, models and coming from Beaker, sessions, and signing in, have tests of their own."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bottle
import pytest
from PIL import Image
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from demijohn import Site, config
from tests.client import Answer, Client
from tests.sites import ROOT


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL)


class Guide:
    """A site that is made of a page's examples."""

    def __init__(self, root: Path, caplog: pytest.LogCaptureFixture) -> None:
        for folder in ("views", "static/css"):
            (root / folder).mkdir(parents=True)
        (root / "static" / "css" / "style.css").write_text("a {}")
        settings = {"database.url": f"sqlite:///{root / 'site.sqlite'}", "session.type": "memory"}
        self.root, self.caplog = root, caplog
        self.site = Site(root, {"environment": "development", **settings})
        #: What the examples take as given, and what they have made.
        self.names: dict[str, Any] = {"site": self.site, "__name__": "guide"}

    def run(self, *codes: str, **given: Any) -> None:
        """Run these examples, as they stand. What is given is the reader's own."""
        self.names.update(given)
        for code in codes:
            exec(compile(code, "guide", "exec", dont_inherit=True), self.names)  # noqa: S102

    def view(self, name: str, text: str) -> None:
        (self.root / "views" / f"{name}.html").write_text(text)

    def visitor(self) -> Client:
        self.site.create_tables()
        return Client(self.site)


@pytest.fixture
def guide(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], Guide]]:
    made: list[Guide] = []

    def make() -> Guide:
        made.append(Guide(tmp_path / "site", caplog))
        return made[-1]

    (tmp_path / "site").mkdir()
    yield make
    for each in made:
        each.site.close()


def form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, dict[str, str]]:
    """A multipart form: its body, and what a request with it says."""
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--b--\r\n", {"CONTENT_TYPE": "multipart/form-data; boundary=b"}


def sent(visitor: Client, path: str, *parts: tuple[str, str | None, bytes]) -> Answer:
    body, headers = form(*parts)
    return visitor.ask("POST", path, body, **headers)


def test_bodies(guide: Callable[[], Guide]) -> None:
    site = guide()
    kept: dict[str, bytes] = {}
    removed: list[str] = []

    class Price(site.site.db.Model):  # type: ignore[name-defined]
        __tablename__ = "prices"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))
        cents: Mapped[int]

    upload, table, half = blocks("bodies")
    site.run(upload, table, Price=Price, save=lambda title, part: kept.update({title: b"".join(part)}))
    visitor = site.visitor()
    answer = sent(visitor, "/pictures", ("title", None, "Zoë".encode()), ("file", "a.png", b"x" * 5_000_000))
    assert answer.status in (302, 303)
    assert kept == {"Zoë": b"x" * 5_000_000}
    sheet = "name,cents\r\n" + "".join(f'"Jar, {number}",{number}\r\n' for number in range(2500))
    assert sent(visitor, "/prices", ("file", "a.csv", sheet.encode())).status in (302, 303)
    with site.site.db.unit() as db:
        assert len(Price.all(db=db)) == 2500
        assert Price.get(2500, db=db).name == "Jar, 2499"
    wrong = sent(visitor, "/prices", ("file", "a.csv", b"name,cents\nJar,1\nJar,one\n"))
    assert wrong.status == 400
    assert "Up to line 3, something is not" in wrong.text
    with site.site.db.unit() as db:
        assert len(Price.all(db=db)) == 2500, "nothing of it is kept"
    body, headers = form(("file", "a.png", b"x"))
    cut = {**headers, "CONTENT_LENGTH": str(len(body) - 9)}

    def take() -> None:
        site.run(half, remove=removed.append, what_was_saved="a.png")

    site.site.route("/half", method="POST", callback=take)
    assert visitor.ask("POST", "/half", body[:-9], **cut).status == 400
    assert removed == ["a.png"]


def test_files(guide: Callable[[], Guide]) -> None:
    site = guide()
    notes, films, alone = blocks("files")
    site.view("new", "{{ error }}")
    site.run(notes, films)
    visitor = site.visitor()
    picture = io.BytesIO()
    Image.new("RGB", (2400, 1000), "green").save(picture, "PNG")
    shown = sent(visitor, "/notes", ("picture", "a.png", picture.getvalue()))
    assert 'width="1200" height="500"' in shown.text
    (address,) = re.findall('src="([^"]+)"', shown.text)
    assert visitor.get(address).header("Content-Type") == "image/png"
    refused = sent(visitor, "/notes", ("picture", "a.png", b"no picture"))
    assert (refused.status, "Please choose" in refused.text) == (200, True)
    assert visitor.post("/notes/1/delete").status == 200
    assert visitor.get(address).status == 404
    film = sent(visitor, "/films", ("film", "a.mp4", b"x" * 6_000_000))
    assert visitor.get(film.json["url"]).body == b"x" * 6_000_000
    site.run(alone.replace("/srv/files", str(site.root / "files")))
    app = Client(site.names["app"])
    assert app.get(sent(app, "/pictures", ("picture", "a.png", picture.getvalue())).json["url"]).status == 200


def test_static(guide: Callable[[], Guide]) -> None:
    site = guide()
    address, alone = blocks("static")
    assert re.fullmatch(r"/static/css/style\.\w{12}\.css", eval(address.partition("#")[0], site.names))  # noqa: S307
    (link, script) = blocks("static", "html")
    (site.root / "static" / "app.js").write_text("start()")
    site.view("page", link + script)
    site.site.route("/", callback=lambda: site.site.render("page"))
    visitor = site.visitor()
    found = re.findall('(?:href|src)="([^"]+)"', visitor.get("/").text)
    assert [visitor.get(each).status for each in found] == [200, 200]
    site.run(alone.replace("/srv/shop", str(site.root)).replace("style.css", "css/style.css"))
    assert Client(site.names["app"]).get("/static/css/style.css").text == "a {}"


def test_security(guide: Callable[[], Guide]) -> None:
    site = guide()
    proxies, routes, headers = (code for code in blocks("security") if "Proxies(" in code or "def map_page" in code)
    (account,) = [code for code in blocks("security") if "def account" in code]
    site.view("map", "a map")
    site.view("old", "<p>old</p>")
    site.run(routes, account)
    site.site.route("/sign-in", name="sign-in", callback=lambda session: str(session.login(7)))
    visitor = site.visitor()
    assert "tiles.example.org" in str(visitor.get("/map").header("Content-Security-Policy"))
    assert visitor.get("/old").header("Content-Security-Policy") is None
    assert visitor.get("/account").status in (302, 303)
    visitor.get("/sign-in")
    assert visitor.get("/account").text == "You are 7."

    handed = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7", "HTTP_X_FORWARDED_PROTO": "http"}
    site.run(proxies)
    site.names["app"].route("/", callback=lambda: bottle.request.remote_addr)
    assert Client(site.names["app"]).get("/", **handed).text == "203.0.113.7"
    site.run(headers)
    site.names["app"].route("/", callback=lambda: "done")
    app = Client(site.names["app"])
    assert app.get("/", HTTP_HOST="example.org", **handed).status == 301
    handed["HTTP_X_FORWARDED_PROTO"] = "https"
    assert app.get("/", HTTP_HOST="example.net", **handed).status == 421
    answer = app.get("/", HTTP_HOST="example.org", **handed)
    assert (answer.text, answer.header("Strict-Transport-Security")) == ("done", None)
    assert "images.example.org" in str(answer.header("Content-Security-Policy"))


def test_the_nonce(guide: Callable[[], Guide]) -> None:
    site = guide()
    nonce, csrf = blocks("security", "html")
    site.view("page", nonce + csrf)
    site.site.route("/", callback=lambda: site.site.render("page"))
    answer = site.visitor().get("/")
    (found,) = re.findall('nonce="([^"]+)"', answer.text)
    assert f"'nonce-{found}'" in str(answer.header("Content-Security-Policy"))
    assert answer.header("Cache-Control") == "no-store"


def test_signing_up(guide: Callable[[], Guide]) -> None:
    site = guide()

    class User(site.site.db.Model):  # type: ignore[name-defined]
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        key: Mapped[str] = mapped_column(unique=True)
        password: Mapped[str]

    site.view("sign-up", "{{ error }}")
    site.view("sign-in", "{{ error }}")
    site.run(*(code for code in blocks("security") if "def sign_in" in code or "def sign_up" in code), User=User)
    site.site.route("/who", callback=lambda session: {"user": session.user})
    visitor = site.visitor()
    for fields, says in (
        ({"name": "Ann"}, "Please choose a password of at least 8 characters."),
        ({"name": "Ann", "password": "x" * 1025}, "This password has 1,025 characters, and 1,024 is the most."),
    ):
        answer = visitor.post("/sign-up", fields)
        assert (answer.status, says in answer.text) == (400, True)
    assert visitor.post("/sign-up", {"name": "Ann", "password": "long enough"}).status in (302, 303)
    assert visitor.get("/who").json == {"user": 1}
    taken = Client(site.site).post("/sign-up", {"name": "ann", "password": "long enough"})
    assert (taken.status, taken.text) == (400, "This name is taken.")


def test_tickets(guide: Callable[[], Guide]) -> None:
    site = guide()
    (by_hand,) = blocks("tickets")

    def send_mail(user: object) -> None:
        raise OSError(f"no route to {user}")

    site.run(by_hand, send_mail=send_mail, user="Ann", select=None)
    assert [record.getMessage() for record in site.caplog.records if record.name == "demijohn.tickets"] != []
    site.site.route("/basket", callback=lambda: dict[str, int]()["price"])
    (problem,) = map(json.loads, blocks("tickets", "json"))
    answer = site.visitor().get("/basket", HTTP_ACCEPT="application/json").json
    assert set(problem) <= set(answer)
    assert (answer["instance"], answer["title"]) == (problem["instance"], problem["title"])
    said = re.findall(r"`raise (HTTPError\(.*?\))`", (ROOT / "docs" / "tickets.md").read_text())
    answers = [eval(each, {"HTTPError": bottle.HTTPError}) for each in said if "..." not in each]  # noqa: S307
    for number, error in enumerate(answers):

        def fail(error: bottle.HTTPError = error) -> None:
            raise error

        site.site.route(f"/said/{number}", callback=fail)
    assert [Client(site.site).get(f"/said/{number}").status for number in range(2)] == [429, 409]
    assert Client(site.site).get("/said/1", HTTP_ACCEPT="application/json").json["type"] == "/problems/taken"


def test_logs(guide: Callable[[], Guide], monkeypatch: pytest.MonkeyPatch) -> None:
    site = guide()
    own, passed_on, filtered, alone = blocks("logs")

    class Order:
        id, cents = 7, 1200

    site.caplog.set_level("INFO")
    monkeypatch.setattr(logging.root, "handlers", [site.caplog.handler])
    site.run(own, order=Order)
    (line,) = [record for record in site.caplog.records if record.name == "shop"]
    assert (line.getMessage(), vars(line)["facts"]) == ("Order 7 is paid", {"order": 7, "cents": 1200})
    seen: list[Any] = []

    def call() -> None:
        site.run(
            passed_on.replace("urllib.request.Request(", "asked = urllib.request.Request("), url="http://a.example/"
        )
        seen.append(site.names["asked"].get_header("X-request-id"))

    site.site.route("/call", callback=call)
    assert [site.visitor().get("/call").header("X-Request-ID")] == seen
    site.run(filtered)
    assert [type(each).__name__ for each in site.caplog.handler.filters] == ["RequestId"]
    site.caplog.handler.filters.clear()
    site.run(alone)
    site.names["app"].route("/", callback=lambda: "done")
    assert Client(site.names["app"]).get("/").header("X-Request-ID")
    json.loads(blocks("logs", "json")[0])


def test_health(guide: Callable[[], Guide]) -> None:
    class Full:
        @staticmethod
        def size() -> int:
            return 1000

    site = guide()
    sent_days: list[str] = []
    asked, shared = blocks("health")
    site.run(asked, queue=Full)
    visitor = site.visitor()
    answer = visitor.get("/_health/ready", REMOTE_ADDR="127.0.0.1")
    assert (answer.status, answer.json["queue"]) == (503, "1000 wait")
    given = {"address": "a@example.org", "day": "Monday", "send_report": sent_days.append}

    def mail() -> dict[str, float]:
        site.run(shared.replace('site.shared.look("rate").left', 'left = site.shared.look("rate").left'), **given)
        return {"left": site.names["left"]}

    site.site.route("/mail", callback=mail)
    assert [visitor.get("/mail").status for _ in range(4)] == [200, 200, 200, 429]
    assert 0 < site.names["left"] <= 600
    assert sent_days == ["Monday"]


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, asked = blocks("config")
    (tmp_path / "config.yaml").write_text(blocks("config", "yaml")[0])
    names: dict[str, Any] = {}
    arguments = arguments.replace('"/srv/shop"', repr(str(tmp_path)))
    monkeypatch.setenv("DEMIJOHN_ENV", "development")
    exec(arguments, names)  # noqa: S102
    for line in asked.splitlines():
        code, _, says = line.partition("#")
        if "{" not in says and '"config.yaml' not in says:
            assert repr(eval(code, names)) == says.strip()  # noqa: S307
    names["site"].close()
    loaded = config.load(tmp_path, environ={"DEMIJOHN_ENV": "development"})
    assert loaded["session.timeout"] == 600
    assert loaded.source("session.timeout") == "config.yaml:8"


def test_the_database_in_the_parts(guide: Callable[[], Guide], sqlite_url: str) -> None:
    part = (ROOT / "docs" / "parts.md").read_text().partition("## Database\n")[2].partition("\n## ")[0]
    notes, alone = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    site = guide()
    site.run(notes)
    visitor = site.visitor()
    assert visitor.post("/notes", {"text": "first"}).status == 200
    assert visitor.get("/notes").json == {"notes": ["first"]}
    site.run(alone.replace("mysql+pymysql://user:password@host/name", sqlite_url))
    assert re.match(r"\d{4}-\d\d-\d\d ", Client(site.names["app"]).get("/time").text)
    site.names["db"].close()
