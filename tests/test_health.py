"""Whether the site can be asked, and how its database stands, from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
import pytest
import sqlalchemy

from demijohn import lifetime
from demijohn.database import Database as Base
from demijohn.database import faults, health
from demijohn.health import LIVE, READY, Health
from tests.client import Client
from tests.projects import Project
from tests.services import PATIENCE, Database, Memcached, Redis, until


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    return Project(tmp_path / "site", database_url)


@pytest.fixture
def visitor(project: Project) -> Iterator[Client]:
    site = project.site()
    yield asking(site, site.health)
    site.sessions.close()
    site.db.close()


def ready(visitor: Client, **environ: Any) -> tuple[int, Any]:
    """What somebody on the same machine is told. What was found a moment ago is forgotten."""
    visitor.health._found_at = float("-inf")  # type: ignore[attr-defined]
    answer = visitor.get(READY, **{"REMOTE_ADDR": "127.0.0.1", **environ})
    return answer.status, answer.json


def asking(app: Any, health: Health) -> Client:
    client = Client(app)
    client.health = health  # type: ignore[attr-defined]
    return client


def test_live_and_ready(project: Project, visitor: Client) -> None:
    project.does("create")
    for path, content in ((LIVE, {"live": True}), (READY, {"ready": True, "database": "answers"})):
        answer = visitor.get(path, REMOTE_ADDR="127.0.0.1")
        assert (answer.status, answer.json) == (200, content)
        assert answer.header("Content-Type") == "application/json"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("Set-Cookie") is None
        head = visitor.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        refused = visitor.post(path)
        assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD")


def test_tables_that_nobody_has_made(project: Project, visitor: Client) -> None:
    assert ready(visitor) == (503, {"ready": False, "database": "tables missing"})
    project.does("create")
    assert ready(visitor)[0] == 200
    project.execute("DROP TABLE notes")  # whoever does that knows; there is no asking for tables each time
    assert ready(visitor)[0] == 200


def test_a_view_is_as_good_as_a_table(project: Project, visitor: Client) -> None:
    project.execute("CREATE VIEW notes AS SELECT 1 AS id")
    assert visitor.get("/_health/ready").status == 200


def test_a_schema_that_is_behind_is_told_from_one_that_is_ahead(project: Project) -> None:
    def stands() -> tuple[int, str]:
        site = project.site()
        status, content = ready(asking(site, site.health))
        site.sessions.close()
        site.db.close()
        return status, content["database"]

    project.does("init")
    project.write("a1", None, "op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True))")
    assert stands() == (503, "no version")
    project.does("upgrade")
    assert stands() == (200, "answers")
    project.write("b2", "a1", "op.create_table('tags', sa.Column('id', sa.Integer, primary_key=True))")
    assert stands() == (503, "behind")
    project.does("upgrade")
    assert stands() == (200, "answers")
    (project.versions / "b2.py").unlink()
    assert stands() == (200, "ahead")


def test_while_the_database_is_down(server: Database, url: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "site", url)
    project.does("create")
    site = project.site()
    visitor = asking(site, site.health)
    assert ready(visitor)[0] == 200
    server.stop()
    assert ready(visitor) == (503, {"ready": False, "database": "not answering"})
    assert visitor.get(LIVE).status == 200
    server.start()
    until(lambda: ready(visitor)[0] == 200, "The site did not find that the server is back.")
    with server.statements() as seen:
        assert visitor.get(LIVE).status == 200
    assert seen == []
    site.sessions.close()
    site.db.close()


def test_a_database_that_takes_connections_and_says_nothing(server: Database, url: str, tmp_path: Path) -> None:
    """The driver gives up in time: on a connection that is open, and on one that is being made."""
    project = Project(tmp_path / "site", url)
    project.does("create")
    site = project.site()
    visitor = asking(site, site.health)
    assert ready(visitor)[0] == 200
    patience, health.PATIENCE = health.PATIENCE, 1.0
    try:
        with server.stopped():
            for _ in range(2):
                assert ready(visitor) == (503, {"ready": False, "database": "not answering"})
                site.db.engine.dialect.outage.over()  # type: ignore[attr-defined]  # let it be asked again at once
    finally:
        health.PATIENCE = patience
    until(lambda: ready(visitor)[0] == 200, "The site did not find that the server goes on.")
    assert site.db.alone(sqlalchemy.text("SELECT 1"), {})[0] == [(1,)]
    site.sessions.close()
    site.db.close()


def test_a_database_whose_connections_are_all_taken_is_asked_on_another(url: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "site", url)
    project.does("create")
    database = Base(url, pool_size=1, max_overflow=0, pool_timeout=30)
    with database.engine.connect():
        assert database.health() == (True, "answers")
    database.close()


def test_a_database_that_lets_no_more_in_is_no_reason_to_send_visitors_elsewhere(mariadb_url: str) -> None:
    class Busy(Exception):
        pass

    Busy.__module__ = "pymysql.err"
    refused = sqlalchemy.exc.OperationalError("SELECT 1", {}, Busy(1040, "Too many connections"))
    assert faults.is_busy(refused)
    assert not faults.is_busy(sqlalchemy.exc.OperationalError("SELECT 1", {}, Busy(2013, "Lost connection")))


def test_no_sqlite_file_is_made_to_find_out_that_there_is_none(tmp_path: Path) -> None:
    project = Project(tmp_path / "site", f"sqlite:///{tmp_path / 'none.sqlite'}", "")
    site = project.site()
    assert ready(asking(site, site.health)) == (200, {"ready": True, "database": "no file yet"})
    assert not (tmp_path / "none.sqlite").exists()


def test_a_site_without_a_database(tmp_path: Path) -> None:
    site = Project(tmp_path / "site", "", "").site()
    assert ready(asking(site, site.health)) == (200, {"ready": True})


def test_memcached_in_front_is_told_of_and_alone_is_needed(
    tmp_path: Path, sqlite_url: str, memcached: Memcached
) -> None:
    silent = f"not answering: {memcached.address}"
    for kind, well in (("cached-sql", True), ("memcached", False)):
        memcached.start()
        project = Project(tmp_path / kind, sqlite_url, memcached={"url": memcached.address}, session={"type": kind})
        project.does("create")
        site = project.site()
        visitor = asking(site, site.health)
        assert ready(visitor) == (200, {"ready": True, "database": "answers", "memcached": "answers"})
        with memcached.frozen():
            status, content = ready(visitor)
            assert (status, content["memcached"]) == (200 if well else 503, silent)
        site.sessions.close()
        site.db.close()


def test_redis_that_keeps_the_sessions_is_needed(tmp_path: Path, redis: Redis) -> None:
    site = Project(tmp_path / "site", "", "", session={"type": "redis"}, redis={"url": redis.url}).site()
    visitor = asking(site, site.health)
    assert ready(visitor) == (200, {"ready": True, "sessions": "answers"})
    with redis.frozen():
        assert ready(visitor) == (503, {"ready": False, "sessions": "failed"})
    site.sessions.close()


def test_sessions_in_a_database_of_their_own_are_asked_for(tmp_path: Path, server: Database, url: str) -> None:
    site = Project(tmp_path / "site", "", "", session={"type": "sql", "url": url}).site()
    visitor = asking(site, site.health)
    assert ready(visitor) == (200, {"ready": True, "sessions": "answers"})
    server.stop()
    assert ready(visitor) == (503, {"ready": False, "sessions": "not answering"})


# In any app


@pytest.fixture
def app() -> bottle.Bottle:
    return bottle.Bottle()


def test_what_is_wrong_is_told_to_those_who_may_know(app: bottle.Bottle) -> None:
    health = app.install(Health({"queue": lambda: (False, "full")}, key="sesame"))
    visitor = asking(app, health)
    told = (503, {"ready": False, "queue": "full"})
    untold = (503, {"ready": False})
    for name, expected in {
        "127.0.0.1": told,
        "127.3.2.1": told,
        "::1": told,
        "::ffff:127.0.0.1": told,
        "": untold,
        "203.0.113.7": untold,
        "10.0.0.1": untold,
        "128.127.0.1": untold,
    }.items():
        assert ready(visitor, REMOTE_ADDR=name) == expected, name
    for trace in ("X_FORWARDED_FOR", "FORWARDED", "X_FORWARDED_PROTO", "X_FORWARDED_HOST", "X_REAL_IP", "VIA"):
        assert ready(visitor, **{f"HTTP_{trace}": "127.0.0.1"}) == untold, trace
    outside = {"REMOTE_ADDR": "203.0.113.7"}
    assert ready(visitor, **outside, HTTP_X_HEALTH_KEY="sesame") == told
    assert ready(visitor, **outside, HTTP_X_HEALTH_KEY="sesam\xe9") == untold
    assert ready(visitor, **outside, HTTP_X_HEALTH_KEY="") == untold
    assert ready(visitor, **outside, QUERY_STRING="a=1&key=sesame") == told
    assert ready(visitor, **outside, QUERY_STRING="key=sesam") == untold
    assert ready(visitor, **outside, QUERY_STRING="key=" + "&" * 100_000) == untold


def test_without_a_key_none_opens(app: bottle.Bottle) -> None:
    visitor = asking(app, app.install(Health({"queue": lambda: (False, "full")})))
    assert ready(visitor, REMOTE_ADDR="203.0.113.7", QUERY_STRING="key=") == (503, {"ready": False})


def test_a_proxy_does_not_let_a_visitor_pass_for_somebody_on_this_machine(tmp_path: Path) -> None:
    """The parts that believe proxies come after, and take away what tells a visitor from somebody here."""
    site = Project(tmp_path / "site", "", "").site()
    site.health.add("queue", lambda: (False, "full"))
    visitor = asking(site, site.health)
    assert ready(visitor, HTTP_X_FORWARDED_FOR="203.0.113.7") == (503, {"ready": False})


@pytest.mark.parametrize(
    ("check", "well", "word"),
    [
        (lambda: (True, "there"), True, "there"),
        (lambda: (0, "full"), False, "full"),
        (lambda: True, True, "answers"),
        (lambda: None, True, "answers"),
        (lambda: False, False, "failed"),
        (lambda: 1 / 0, False, "failed"),
    ],
)
def test_a_check_of_the_site_s_own(check: Any, well: bool, word: str, app: bottle.Bottle) -> None:
    health = app.install(Health())
    health.add("queue", check)
    assert ready(asking(app, health)) == (200 if well else 503, {"ready": well, "queue": word})


def test_why_a_check_failed_is_in_the_log(app: bottle.Bottle, caplog: pytest.LogCaptureFixture) -> None:
    ready(asking(app, app.install(Health({"queue": lambda: 1 / 0}))))  # type: ignore[dict-item, return-value]
    assert "The health check 'queue' failed: ZeroDivisionError: division by zero" in caplog.text


def test_who_asks_all_the_time_wears_nothing_out(app: bottle.Bottle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    app.install(Health({"queue": lambda: asked.append(1)}))
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    visitor = Client(app)
    for _ in range(50):
        assert visitor.get(READY).status == 200
    assert len(asked) == 1
    now[0] += 1.1
    visitor.get(READY)
    assert len(asked) == 2


def test_while_one_finds_out_others_are_told_what_was_known(app: bottle.Bottle) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> bool:
        if begun.is_set():
            return True
        begun.set()
        assert go_on.wait(PATIENCE)
        return False

    health = app.install(Health({"queue": slow}))
    health._found, health._found_at = {"queue": (True, "answers")}, -100.0
    first = threading.Thread(target=health.findings)
    first.start()
    assert begun.wait(PATIENCE)
    assert health.findings() == {"queue": (True, "answers")}
    go_on.set()
    first.join()
    assert health.findings() == {"queue": (False, "failed")}


def test_what_takes_too_long_in_all_is_not_gone_on_with(app: bottle.Bottle, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow() -> None:
        now[0] += 3

    visitor = asking(app, app.install(Health({"a": slow, "b": slow, "c": slow})))
    late = "not asked: the others took too long"
    assert ready(visitor) == (503, {"ready": False, "a": "answers", "b": "answers", "c": late})


def test_a_worker_that_is_about_to_end_says_so_at_once(app: bottle.Bottle) -> None:
    asked: list[int] = []
    health = app.install(Health({"queue": lambda: asked.append(1)}))
    health.draining = lambda: True
    assert ready(asking(app, health)) == (503, {"ready": False, "process": "about to end"})
    assert asked == []
    assert Client(app).get(LIVE).status == 200


def test_it_answers_when_all_else_is_broken(tmp_path: Path) -> None:
    def break_it(environ: Any) -> None:
        raise RuntimeError("broken")

    settings: dict[str, Any] = {"environment": "production", "security": {"hosts": "example.org", "https": True}}
    site = Project(tmp_path / "site", "", "", **settings).site()
    lifetime.attach(site, break_it)
    visitor = Client(site)
    assert visitor.get("/").status == 421
    for path in (LIVE, READY):
        assert visitor.get(path, HTTP_HOST="10.0.0.7:8080").status == 200, "load balancers ask by address, over http"
