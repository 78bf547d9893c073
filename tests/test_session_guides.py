"""What the documentation says about sessions, and about the way here from Beaker, is what happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import bottle
import pytest

import demijohn.sessions.beaker
from demijohn import Site, redirect
from demijohn.errors import SessionOptionError, StoreCannotError
from demijohn.sessions import NAMES, SessionMiddleware, Sessions, create_table
from demijohn.sessions.options import Options
from tests.client import Client
from tests.services import Memcached
from tests.sites import ROOT

GUIDE = (ROOT / "docs" / "from-beaker.md").read_text()
PART = (ROOT / "docs" / "parts.md").read_text().partition("## Sessions\n")[2].partition("\n## ")[0]


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.S)


BEAKER, OURS, OUR_CLASS, VALUES = blocks(GUIDE)


def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """An app of Beaker's time: at /in one signs in; elsewhere it says who one is."""
    session = environ["beaker.session"]
    if environ["PATH_INFO"] == "/in":
        session["user"] = "Ann"
        session.save()
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(session.get("user")).encode()]


@pytest.fixture
def build(memcached: Memcached, sqlite_url: str) -> Iterator[Callable[[str], Any]]:
    """Runs a block of the guide that makes an `application`, on the servers of the tests."""
    made: list[Any] = []

    create_table(sqlite_url)

    def build(code: str, **names: Any) -> Any:
        code = code.replace("127.0.0.1:11211", memcached.address)
        code = code.replace("mysql+pymysql://user:password@host/shop", sqlite_url)
        names = {"app": app, **names}
        exec(compile(code, "guide", "exec"), names)  # noqa: S102
        made.append(names["application"])
        return names["application"]

    yield build
    demijohn.sessions.beaker.close_stores()
    for application in made:
        if isinstance(application, SessionMiddleware):
            application.sessions.close()


@pytest.mark.parametrize("after", [OURS, OUR_CLASS], ids=["our middleware", "our class in Beaker's"])
def test_on_the_day_of_the_move_everybody_signs_in_once_and_going_back_loses_nothing(
    after: str, build: Callable[[str], Any]
) -> None:
    visitor, stranger = Client(build(BEAKER)), Client(build(BEAKER))
    visitor.get("/in")
    assert visitor.get("/").text == "Ann"
    moved = Client(build(after))
    moved.cookies = visitor.cookies
    assert moved.get("/").text == "None"
    moved.get("/in")
    assert moved.get("/").text == "Ann"
    assert set(moved.cookies) == {"shop", "shop_session"}
    assert visitor.get("/").text == "Ann"
    stranger.cookies = {"shop": moved.cookies["shop_session"]}
    assert stranger.get("/").text == "None"


@pytest.mark.parametrize("after", [OURS, OUR_CLASS], ids=["our middleware", "our class in Beaker's"])
def test_a_cookie_that_keeps_its_name_makes_nobody_of_its_visitor_both_ways(
    after: str, build: Callable[[str], Any]
) -> None:
    visitor = Client(build(BEAKER))
    visitor.get("/in")
    moved = Client(build(after.replace("shop_session", "shop")))
    moved.cookies = visitor.cookies
    assert moved.get("/").text == "None"
    moved.get("/in")
    assert moved.get("/").text == "Ann"
    assert visitor.get("/").text == "None"
    visitor.get("/in")
    assert visitor.get("/").text == "Ann"


def test_each_option_of_beaker_s_is_what_the_table_says() -> None:
    table = GUIDE.partition("### Option by option")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.M)
    assert len(rows) > 10
    for options, says in rows:
        if options.startswith("`type`"):
            continue
        for option in re.findall(r"`([\w.]+)`", options):
            if says.startswith("out"):
                with pytest.raises(SessionOptionError, match=rf"session\.{option} is not an option"):
                    Options({f"session.{option}": "x"})
            elif says.startswith("taken"):
                Options({f"session.{option}": "x"})
            else:
                assert option in Options.NAMES


def test_values_that_were_objects_become_json_and_objects_again() -> None:
    class User:
        id = 42

    since = datetime(2026, 5, 3, 12)
    session: dict[str, Any] = {}
    names = {"session": session, "since": since, "datetime": datetime, "price": 1, "seen": {1}, "user": User}
    exec(VALUES, names)  # noqa: S102
    assert names["since"] == since
    assert session["user"] == 42


# The part


@pytest.fixture
def site(tmp_path: Any) -> Iterator[Site]:
    site = Site(tmp_path, {"environment": "development"})
    site.create_tables()
    charged: list[Any] = []
    names = {"site": site, "redirect": redirect, "charge": charged.append, "charged": charged}
    for block in blocks(PART):
        if "@site" in block:
            exec(compile(block, "parts", "exec"), names)  # noqa: S102
    site.route("/charged", callback=lambda: {"users": charged})
    site.route("/who", callback=lambda session: {"user": session.user, "flashes": session.flashes()})
    yield site
    site.close()


def test_the_handlers_in_the_part_do_what_they_say(site: Site) -> None:
    one, other = Client(site), Client(site)
    one.get("/where")
    for visitor in (one, other):
        assert visitor.post("/sign-in").status in (302, 303)
    assert one.get("/who").json == {"user": 42, "flashes": ["Welcome."]}
    assert one.get("/where").json == {"signed in": [None, None]}
    one.post("/basket/7")
    one.post("/pay")
    one.post("/pay")
    assert one.get("/charged").json == {"users": [42]}
    one.post("/sign-out")
    assert one.get("/who").json["user"] is None
    assert other.get("/who").json["user"] == 42
    one.post("/sign-in")
    one.post("/sign-out-everywhere")
    assert other.get("/who").json["user"] is None


def test_the_table_of_stores_names_them_all_and_what_the_cookie_cannot() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \|", PART, re.M)) == set(NAMES)
    sessions = Sessions({"type": "cookie", "secret": "x" * 16})
    (says,) = re.findall(r"\(([\d,]+) bytes of JSON", PART)
    assert sessions.store.limit == int(says.replace(",", ""))
    with pytest.raises(StoreCannotError):
        sessions.of(42)


def test_alone_as_a_plugin_around_any_app_and_in_beaker_s_middleware(build: Callable[..., Any]) -> None:
    alone, in_beakers = [block for block in blocks(PART) if "any_wsgi_app" in block]
    alone = alone.replace("/name", "/shop")
    plain = bottle.Bottle()
    plain.route("/", callback=lambda session: str(session.setdefault("a", 8)))
    around = build(alone, app=plain, any_wsgi_app=app)
    assert Client(plain).get("/").text == "8"
    plain.close()
    kept_beakers = build(alone + in_beakers, app=bottle.Bottle(), any_wsgi_app=app)
    for application in (around, kept_beakers):
        visitor = Client(application)
        visitor.get("/in")
        assert visitor.get("/").text == "Ann"
